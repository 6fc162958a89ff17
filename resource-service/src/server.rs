//! Start-up: a verifier from the settings, and the routes.

use std::{io, net::SocketAddr, sync::Arc};

use actix_web::{
    dev::Server,
    web::{Data, ServiceConfig},
};
use service_kit::{
    CommandError, health,
    openapi::{self, Authentication, ProblemSchema},
    reload::ReloadHook,
    route::resource,
    server::{BoundServer, RunningServer},
    shutdown::ShutdownToken,
    traces::TraceRequests,
};
use shared::{Verifier, revocations::Feed};
use utoipa::OpenApi;

use crate::{
    metrics::{self, Metrics},
    readyz, routes,
    settings::{Secret, SecretFile, Settings},
};

/// A server that listens.
pub struct Running {
    /// Address of the main listener.
    pub addr: SocketAddr,
    server: RunningServer,
    verifier: Verifier,
}

impl Running {
    /// Serves until SIGTERM or Ctrl-C, then shuts down in order.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        // The verifier fetches keys in the background: requests need not wait for them here.
        self.server.run_until_stopped(std::future::ready(())).await
    }

    /// Returns the server alone, which serves while it is polled and ignores signals. For tests.
    pub fn into_server(self) -> Server {
        self.server.into_server()
    }

    /// Returns the hook that reads the feed client's secret again.
    pub(crate) fn secret_reload_hook(&self, SecretFile { file, .. }: SecretFile) -> ReloadHook {
        let verifier = self.verifier.clone();
        ReloadHook::new("REVOCATIONS_CLIENT_SECRET_FILE", move || {
            let Secret(secret) = SecretFile::read(&file)?.secret;
            verifier.set_feed_secret(secret);
            Ok(())
        })
    }
}

/// Starts to serve as the settings say. auth-service need not be reachable yet.
///
/// # Errors
/// If an address cannot be bound.
pub fn start(settings: Settings) -> Result<Running, CommandError> {
    let bound = BoundServer::bind(settings.server())?;
    let addr = bound.addr();
    let verifier = verifier(&settings);
    let metrics = Metrics::new(&verifier);
    let request_metrics = metrics.requests.clone();
    let token = ShutdownToken::new();
    let serves_metrics = bound.serves_metrics();
    let data = (Data::new(verifier.clone()), Data::new(metrics), Data::new(token.clone()));
    let share = move |app: &mut ServiceConfig| {
        let (verifier, metrics, token) = data.clone();
        app.app_data(verifier).app_data(metrics).app_data(token);
    };
    let ops_share = share.clone();
    let verifies = verifier.clone();
    let server = bound.serve(
        request_metrics,
        token,
        move |app| {
            share(app);
            configure(app, verifies.clone(), serves_metrics);
        },
        move |app| {
            ops_share(app);
            configure_ops(app);
        },
    )?;
    Ok(Running { addr, server, verifier })
}

fn verifier(settings: &Settings) -> Verifier {
    let mut verifier = Verifier::builder(&settings.issuer)
        .leeway(settings.leeway)
        .refresh_interval(settings.jwks_refresh_interval)
        .request_hook(Arc::new(TraceRequests));
    for audience in &settings.audience {
        verifier = verifier.audience(audience);
    }
    if let Some(url) = &settings.jwks_url {
        verifier = verifier.jwks_url(url);
    }
    let in_file = settings.revocations_client_secret_file.as_ref().map(|file| &file.secret);
    let secret = settings.revocations_client_secret.as_ref().or(in_file);
    if let (Some(client_id), Some(Secret(client_secret))) =
        (settings.revocations_client_id.clone(), secret.cloned())
    {
        let url = settings.revocations_url.clone();
        let url = url.unwrap_or_else(|| format!("{}/revocations", settings.issuer));
        let feed = Feed { url, client_id, client_secret };
        verifier = verifier.revocations(feed, settings.revocations_outage);
    }
    verifier.build()
}

/// OpenAPI document of every route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "resource-service",
        description = "A sample of the services behind auth-service: it accepts only requests with a valid access \
            token.\n\nEvery path may end with a slash. Every GET route answers HEAD.",
    ),
    tags(
        (name = "resources", description = "Protected resources."),
        (name = "about", description = "This service itself."),
    ),
    paths(
        routes::whoami,
        routes::reports,
        routes::admin,
        health::healthz,
        readyz::readyz,
        metrics::metrics,
        openapi::openapi,
        openapi::docs,
    ),
    components(schemas(ProblemSchema)),
    modifiers(&Authentication)
)]
struct Document;

/// Mounts the routes in an actix-web app: this service's, or yours. `/metrics` is one of them if `serves_metrics`.
pub fn configure(app: &mut ServiceConfig, verifier: Verifier, serves_metrics: bool) {
    app.app_data(Data::new(verifier))
        .service(resource(routes::__path_whoami, routes::whoami))
        .service(resource(routes::__path_reports, routes::reports))
        .service(resource(routes::__path_admin, routes::admin))
        .service(resource(health::__path_healthz, health::healthz))
        .service(resource(readyz::__path_readyz, readyz::readyz));
    if serves_metrics {
        app.service(resource(metrics::__path_metrics, metrics::metrics));
    }
    openapi::mount(app, Document::openapi, serves_metrics);
}

/// Mounts the routes of the ops listener.
fn configure_ops(app: &mut ServiceConfig) {
    app.service(resource(health::__path_healthz, health::healthz))
        .service(resource(readyz::__path_readyz, readyz::readyz))
        .service(resource(metrics::__path_metrics, metrics::metrics));
}
