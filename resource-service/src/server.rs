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
    shutdown: ShutdownToken,
    verifier: Verifier,
}

impl Running {
    /// Serves until SIGTERM or Ctrl-C, then shuts down in order.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        // Does not wait for the keys: the verifier fetches them in the background.
        self.server.run_until_stopped(std::future::ready(())).await
    }

    /// Returns the token that tells whether the shutdown has begun, and how much time is left.
    pub(crate) fn shutdown(&self) -> ShutdownToken {
        self.shutdown.clone()
    }

    /// Returns the server alone, which serves while it is polled and ignores signals. For tests.
    pub fn into_server(self) -> Server {
        self.server.into_server()
    }

    /// Returns the verifier, for example for [`Verifier::ready`].
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// Returns the hook that reads the feed client's secret again.
    pub(crate) fn secret_reload_hook(&self, SecretFile { file, .. }: SecretFile) -> ReloadHook {
        let verifier = self.verifier.clone();
        ReloadHook::new("REVOCATIONS_CLIENT_SECRET_FILE", move || {
            let file = SecretFile::read(&file)?;
            file.check_mode()?;
            let Secret(secret) = file.secret;
            verifier.set_feed_secret(secret);
            Ok(())
        })
    }
}

/// Starts to serve. auth-service need not be reachable yet.
///
/// # Errors
/// If an address cannot be bound, or other users of this machine can read the secret's file.
pub fn start(settings: Settings) -> Result<Running, CommandError> {
    if let Some(secret) = &settings.revocations_client_secret_file {
        secret.check_mode().map_err(|why| {
            let file = &secret.file;
            CommandError::new(format!("{file} (REVOCATIONS_CLIENT_SECRET_FILE) {why}"))
        })?;
    }
    let bound = BoundServer::bind(settings.server())?;
    let addr = bound.addr();
    let serves_ops_routes = bound.serves_ops_routes();
    let verifier = build_verifier(&settings);
    let metrics = Metrics::new(&verifier);
    let request_metrics = metrics.requests.clone();
    let shutdown = ShutdownToken::new();
    let data = SharedData {
        verifier: Data::new(verifier.clone()),
        metrics: Data::new(metrics),
        shutdown: Data::new(shutdown.clone()),
    };
    let cors = Data::new(settings.cors);
    let ops_data = data.clone();
    let server = bound.serve(
        request_metrics,
        shutdown.clone(),
        move |app| {
            data.add_to(app);
            app.app_data(cors.clone());
            mount(app, serves_ops_routes);
        },
        move |app| {
            ops_data.add_to(app);
            mount_ops(app);
        },
    )?;
    Ok(Running { addr, server, shutdown, verifier })
}

fn build_verifier(settings: &Settings) -> Verifier {
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
    if let Some(feed) = feed(settings) {
        verifier = verifier.revocations(feed, settings.revocations_outage);
    }
    verifier.build()
}

/// Returns the revocation feed and the client that follows it. `None` if no client is set.
fn feed(settings: &Settings) -> Option<Feed> {
    let client_id = settings.revocations_client_id.clone()?;
    let secret_file = settings.revocations_client_secret_file.as_ref();
    let secret = settings.revocations_client_secret.as_ref();
    let Secret(client_secret) = secret.or(secret_file.map(|file| &file.secret))?.clone();
    let url = settings.revocations_url.clone();
    let url = url.unwrap_or_else(|| format!("{}/revocations", settings.issuer));
    Some(Feed { url, client_id, client_secret })
}

/// Data that handlers share.
#[derive(Clone)]
struct SharedData {
    verifier: Data<Verifier>,
    metrics: Data<Metrics>,
    shutdown: Data<ShutdownToken>,
}

impl SharedData {
    fn add_to(&self, app: &mut ServiceConfig) {
        app.app_data(self.verifier.clone())
            .app_data(self.metrics.clone())
            .app_data(self.shutdown.clone());
    }
}

/// OpenAPI document of every route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "resource-service",
        description = "Sample of a service behind auth-service: accepts only requests with a \
            valid access token. To call it here, log in at auth-service and paste the access \
            token below.\n\n\
            Every path also works with a trailing slash. Every route with GET also answers HEAD.",
    ),
    tags(
        (name = "resources", description = "Protected resources."),
        (name = "about", description = "The service itself."),
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

/// Mounts the routes in an actix-web app. `/metrics` and `/readyz` are among them if
/// `serves_ops_routes`.
pub fn configure(app: &mut ServiceConfig, verifier: Verifier, serves_ops_routes: bool) {
    app.app_data(Data::new(verifier));
    mount(app, serves_ops_routes);
}

fn mount(app: &mut ServiceConfig, serves_ops_routes: bool) {
    app.service(resource(routes::__path_whoami, routes::whoami))
        .service(resource(routes::__path_reports, routes::reports))
        .service(resource(routes::__path_admin, routes::admin))
        .service(resource(health::__path_healthz, health::healthz));
    if serves_ops_routes {
        app.service(resource(readyz::__path_readyz, readyz::readyz))
            .service(resource(metrics::__path_metrics, metrics::metrics));
    }
    openapi::mount(app, Document::openapi, "", serves_ops_routes);
    openapi::mount_home(app);
}

/// Mounts the routes of the ops listener.
fn mount_ops(app: &mut ServiceConfig) {
    app.service(resource(health::__path_healthz, health::healthz))
        .service(resource(readyz::__path_readyz, readyz::readyz))
        .service(resource(metrics::__path_metrics, metrics::metrics));
}
