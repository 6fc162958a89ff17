//! resource-service: a sample of the services behind auth-service. Copy what you need of it.
//!
//! A handler that takes an [`AccessToken`] is protected. Everything else here is settings and start-up.

mod metrics;

use std::{fmt, net::SocketAddr, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    web::{self, Data, Json, ServiceConfig},
};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use shared::{
    AccessToken, Requires, Verifier,
    claims::{Scope, SessionId},
    extract::Requirement,
    problem::Problem,
    revocations::{Feed, OutagePolicy},
    service::{
        self, StartError,
        aside::{self, Aside},
        drain::{self, Door, Drain, Shutdown},
        health::{self, Reasons, readiness},
        limits::Limits,
        openapi::{self, Authentication, Forbidden, Unauthorized, Unavailable},
        reload::{self, Again},
        requests::{Observer, observe},
        resource,
        traces::{TraceSettings, Traces},
    },
};
use utoipa::{OpenApi, ToSchema};

use self::metrics::Metrics;

/// The settings of resource-service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The address to listen on
    #[arg(long, env = "RESOURCE_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8081")]
    pub resource_addr: SocketAddr,

    /// Another address, for those who run it: `/metrics` is there and not at the main one, with `/healthz` and `/readyz`. Unset: `/metrics` is at the main address
    #[arg(long, env = "METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// auth-service's URL, as tokens name it
    #[arg(long, env = "ISSUER", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = service::http_url)]
    pub issuer: String,

    /// Where the issuer's keys are, if not below its URL
    #[arg(long, env = "JWKS_URL", value_name = "URL", value_parser = service::http_url)]
    pub jwks_url: Option<String>,

    /// How often the issuer's keys are fetched anew, in seconds: more often than its KEY_PUBLISH_AHEAD
    #[arg(long, env = "JWKS_REFRESH_INTERVAL", value_name = "SECONDS", default_value = "300", value_parser = service::positive_seconds)]
    pub jwks_refresh_interval: Duration,

    /// The client that follows the issuer's revocations, with the scope revocations:read. Unset: they are not followed
    #[arg(long, env = "REVOCATIONS_CLIENT_ID", value_name = "ID", requires = "secret")]
    pub revocations_client_id: Option<String>,

    /// That client's secret
    #[arg(long, env = "REVOCATIONS_CLIENT_SECRET", value_name = "TEXT", group = "secret", hide_env_values = true, value_parser = secret)]
    pub revocations_client_secret: Option<Secret>,

    /// A file with that client's secret, read again at SIGHUP
    #[arg(long, env = "REVOCATIONS_CLIENT_SECRET_FILE", value_name = "FILE", group = "secret", value_parser = SecretFile::read)]
    pub revocations_client_secret_file: Option<SecretFile>,

    /// Where the issuer's revocations are, if not below its URL
    #[arg(long, env = "REVOCATIONS_URL", value_name = "URL", value_parser = service::http_url)]
    pub revocations_url: Option<String>,

    /// What becomes of tokens while revocations cannot be followed: accepted until_expiry, for bounded:SECONDS, or closed
    #[arg(long, env = "REVOCATIONS_OUTAGE", value_name = "POLICY", default_value = "until_expiry")]
    pub revocations_outage: OutagePolicy,

    /// The audiences of the tokens that are accepted, separated by commas
    #[arg(long, env = "AUDIENCE", value_name = "NAMES", default_value = "api", value_delimiter = ',', value_parser = service::name)]
    pub audience: Vec<String>,

    /// How far the clocks of two services may be apart, in seconds
    #[arg(long, env = "LEEWAY", value_name = "SECONDS", default_value = "10", value_parser = service::leeway)]
    pub leeway: Duration,

    /// How many threads serve requests. Unset: one a core
    #[arg(long, env = "RESOURCE_WORKERS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub resource_workers: Option<u16>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub limits: Limits,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub shutdown: Shutdown,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub traces: TraceSettings,
}

/// A secret. Never printed.
#[derive(Clone)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    service::name(text).map(Secret)
}

/// A file, and the secret that is in it.
#[derive(Clone, Debug)]
pub struct SecretFile {
    file: String,
    secret: Secret,
}

impl SecretFile {
    fn read(file: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|why| why.to_string())?;
        Ok(Self { file: file.to_owned(), secret: secret(&text)? })
    }
}

/// A sample of the services behind auth-service: it accepts only requests that bear a valid access token.
///
/// It needs nothing but auth-service's URL. Every setting is an option and an environment variable.
#[derive(Debug, Parser)]
#[command(name = "resource-service", version)]
pub struct Command {
    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    subcommand: Option<Sub>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Serve requests (the default)
    Serve,
    /// Ask the service that listens on the address whether it is ready
    Healthcheck,
}

/// Does what the command line says.
///
/// # Errors
/// One line that says why it did not.
pub async fn run(command: Command) -> Result<(), StartError> {
    match command.subcommand.unwrap_or(Sub::Serve) {
        Sub::Serve => {
            let settings = command.settings;
            let limit = settings.shutdown.shutdown_timeout;
            let traces = Traces::start(&settings.traces, "resource-service")?;
            let file = settings.revocations_client_secret_file.clone();
            let running = start(settings)?;
            reload::at_hangup(file.map(|file| running.secret_again(file)).into_iter().collect())?;
            let ended = running.until_told().await;
            traces.end(limit).await;
            ended.map_err(|why| StartError::new(why.to_string()))
        }
        Sub::Healthcheck => service::check_health(command.settings.resource_addr).await,
    }
}

/// A server that listens.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Serves until it is stopped. Must be awaited, or [`Running::until_told`].
    pub server: Server,
    door: Door,
    aside: Option<ServerHandle>,
    verifier: Verifier,
    drain: Drain,
    shutdown: Shutdown,
}

impl Running {
    /// Serves until SIGTERM or Ctrl-C, and then ends in order: not ready first, what has begun is finished.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn until_told(self) -> std::io::Result<()> {
        // Keys are fetched when the first token comes.
        let ready = std::future::ready(());
        drain::serve(self.server, ready, self.door, self.aside, self.drain, self.shutdown).await
    }

    /// What a client that was given another secret needs: the feed asks with it from the next time on.
    fn secret_again(&self, SecretFile { file, .. }: SecretFile) -> Again {
        let verifier = self.verifier.clone();
        Again::new("REVOCATIONS_CLIENT_SECRET_FILE", move || {
            let Secret(secret) = SecretFile::read(&file)?.secret;
            verifier.set_feed_secret(secret);
            Ok(())
        })
    }
}

/// Begins to serve as the settings say. auth-service need not be reached yet.
///
/// # Errors
/// If it cannot listen on the address.
pub fn start(settings: Settings) -> Result<Running, StartError> {
    let (listener, addr) = service::bind(settings.resource_addr, "RESOURCE_ADDR")?;
    let aside = Aside::bind(settings.metrics_addr)?;
    aside::log_start("resource-service", addr, aside.as_ref());
    let verifier = verifier(&settings);
    let metrics = Metrics::new(&verifier);
    let (drain, shutdown) = (Drain::new(), settings.shutdown);
    let observer = Data::new(Observer::new(metrics.requests.clone(), drain.clone()));
    let data = (Data::new(verifier.clone()), Data::new(metrics), Data::new(drain.clone()));
    let share = move |app: &mut ServiceConfig| {
        let (verifier, metrics, drain) = data.clone();
        app.app_data(verifier).app_data(metrics).app_data(drain);
    };
    let shows_metrics = aside.is_none();
    let aside = aside.map(|aside| {
        let share = share.clone();
        aside.serve(observer.clone(), move |app| {
            share(app);
            configure_aside(app);
        })
    });
    let aside = aside.transpose()?;
    let verifies = verifier.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(observer.clone())
            .configure(share.clone())
            .wrap(from_fn(observe))
            .configure(|app| configure(app, verifies.clone(), shows_metrics))
            .default_service(web::to(service::not_found))
    })
    .disable_signals()
    .max_connections(settings.limits.connections_per_worker(settings.resource_workers))
    .shutdown_timeout(shutdown.shutdown_timeout.as_secs());
    if let Some(workers) = settings.resource_workers {
        server = server.workers(workers.into());
    }
    let listened = Door::of(&listener).and_then(|door| Ok((door, server.listen(listener)?)));
    let (door, server) = listened.map_err(|why| service::cannot_listen(addr, "RESOURCE_ADDR", &why))?;
    Ok(Running { addr, server: server.run(), door, aside, verifier, drain, shutdown })
}

fn verifier(settings: &Settings) -> Verifier {
    let mut verifier = Verifier::builder(&settings.issuer)
        .leeway(settings.leeway)
        .refresh_interval(settings.jwks_refresh_interval);
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

/// The document of every route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "resource-service",
        description = "A sample of the services behind auth-service: it accepts only requests that bear a valid access \
            token.\n\nEvery path also with a trailing slash; HEAD where there is GET.",
    ),
    tags(
        (name = "resources", description = "What is protected."),
        (name = "about", description = "This service itself."),
    ),
    paths(whoami, reports, admin, health::healthz, readyz, metrics::metrics, openapi::openapi, openapi::docs),
    components(schemas(Problem)),
    modifiers(&Authentication)
)]
struct Document;

/// Mounts the routes in an actix-web app: ours, or yours. `/metrics` is one of them, or is shown elsewhere. [`observe`] takes
/// care of slashes at the end of a path.
pub fn configure(app: &mut ServiceConfig, verifier: Verifier, shows_metrics: bool) {
    app.app_data(Data::new(verifier))
        .service(resource(__path_whoami, whoami))
        .service(resource(__path_reports, reports))
        .service(resource(__path_admin, admin))
        .service(resource(health::__path_healthz, health::healthz))
        .service(resource(__path_readyz, readyz));
    if shows_metrics {
        app.service(resource(metrics::__path_metrics, metrics::metrics));
    }
    openapi::mount(app, Document::openapi, shows_metrics);
}

/// Mounts what is for those who run the service.
fn configure_aside(app: &mut ServiceConfig) {
    app.service(resource(health::__path_healthz, health::healthz))
        .service(resource(__path_readyz, readyz))
        .service(resource(metrics::__path_metrics, metrics::metrics));
}

#[derive(Serialize, ToSchema)]
struct WhoAmI {
    sub: String,
    #[schema(value_type = String)]
    sid: SessionId,
    #[schema(value_type = String)]
    scope: Scope,
    exp: i64,
}

/// What the access token says.
#[utoipa::path(
    get,
    path = "/whoami",
    tag = "resources",
    security(("bearer" = [])),
    responses((status = 200, description = "Its claims.", body = WhoAmI), Unauthorized, Unavailable)
)]
async fn whoami(AccessToken(claims): AccessToken) -> Json<WhoAmI> {
    Json(WhoAmI { sub: claims.sub.clone(), sid: claims.sid, scope: claims.scope.clone(), exp: claims.exp })
}

/// The scope `reports:read`.
struct ReadReports;

impl Requirement for ReadReports {
    const SCOPE: Option<&str> = Some("reports:read");
}

#[derive(Serialize, ToSchema)]
struct Reports {
    reports: [String; 0],
    r#for: String,
}

/// What needs the scope `reports:read`.
#[utoipa::path(
    get,
    path = "/reports",
    tag = "resources",
    security(("bearer" = [])),
    responses((status = 200, description = "The reports.", body = Reports), Unauthorized, Forbidden, Unavailable)
)]
async fn reports(token: Requires<ReadReports>) -> Json<Reports> {
    Json(Reports { reports: [], r#for: token.sub.clone() })
}

/// The role `admin`.
struct Admin;

impl Requirement for Admin {
    const ROLE: Option<&str> = Some("admin");
}

#[derive(Serialize, ToSchema)]
struct Administrator {
    admin: String,
}

/// What needs the role `admin`.
#[utoipa::path(
    get,
    path = "/admin",
    tag = "resources",
    security(("bearer" = [])),
    responses((status = 200, description = "Who it is.", body = Administrator), Unauthorized, Forbidden, Unavailable)
)]
async fn admin(token: Requires<Admin>) -> Json<Administrator> {
    Json(Administrator { admin: token.sub.clone() })
}

/// Of each, `ok` or `unavailable`.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ok`, or `ending` if it was told to end.
    service: &'static str,
    keys: &'static str,
    /// Not there if they are not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocations: Option<&'static str>,
    /// Not there if all is well.
    #[serde(skip_serializing_if = "Reasons::is_empty")]
    #[schema(required = false)]
    reasons: Reasons,
}

/// Whether tokens can be decided on.
///
/// There are keys to verify with; and revocations are followed, unless tokens are accepted without.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "about",
    responses(
        (status = 200, description = "They can.", body = Ready),
        (status = 503, description = "They cannot.", body = Ready, headers(("Retry-After" = i32))),
    )
)]
async fn readyz(verifier: Data<Verifier>, drain: Option<Data<Drain>>) -> HttpResponse {
    let ends = drain.is_some_and(|drain| drain.has_begun());
    let mut reasons = Reasons::default();
    let ready = Ready {
        service: reasons.service(ends),
        keys: reasons.word("keys", verifier.keys_trouble().map_or(Ok(()), Err)),
        revocations: verifier.revocations().map(|feed| reasons.word("revocations", feed.check())),
        reasons,
    };
    readiness(!ends && verifier.is_ready(), ready)
}
