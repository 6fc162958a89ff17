//! Both services in one process, for a first look and for development: `cargo run` starts it.

use std::{env, net::SocketAddr, process::ExitCode, time::Duration};

use auth_service::{App, config};
use clap::Parser;
use futures_util::future::try_join;
use service_kit::{CommandError, exit_code, init_logs, parse_settings, traces::Traces};
use shared::{clock::Clock, revocations::OutagePolicy};

/// The walk-through that the program prints, with the default addresses. The README shows the same lines.
const WALKTHROUGH: &str = include_str!("walkthrough.sh");

/// The client that follows the revocation feed for resource-service. Each start gives it another secret.
const FEED_CLIENT: &str = "local-stack";

/// Starts auth-service and resource-service in one process, and prints a walk-through.
///
/// It takes auth-service's settings, and the address of resource-service, whose other settings follow from them.
#[derive(Debug, Parser)]
#[command(name = "local-stack", version)]
struct Command {
    #[command(flatten)]
    auth: config::Settings,

    /// The address that resource-service listens on
    #[arg(
        long,
        env = "RESOURCE_ADDR",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:8081",
        help_heading = "Settings"
    )]
    resource_addr: SocketAddr,
}

#[actix_web::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), CommandError> {
    init_logs()?;
    let command: Command = parse_settings(env::args_os())?;
    let settings = command.auth.clone();
    let traces = Traces::start(&settings.traces, "local-stack")?;
    let auth = auth_service::start(command.auth, Clock::system()).await?;
    let feed_secret = feed_secret(&auth.app).await?;
    let resource = resource_service::start(resource_service::Settings {
        resource_addr: command.resource_addr,
        // METRICS_ADDR is auth-service's.
        metrics_addr: None,
        issuer: auth.issuer.clone(),
        jwks_url: Some(format!("http://{}/.well-known/jwks.json", auth.addr)),
        jwks_refresh_interval: Duration::from_secs(300),
        revocations_client_id: Some(FEED_CLIENT.into()),
        revocations_client_secret: Some(resource_service::Secret(feed_secret)),
        revocations_client_secret_file: None,
        revocations_url: Some(format!("http://{}/revocations", auth.addr)),
        revocations_outage: OutagePolicy::default(),
        audience: settings.audience,
        leeway: settings.leeway,
        resource_workers: None,
        limits: settings.limits,
        shutdown: settings.shutdown,
        traces: settings.traces,
    })?;
    println!("{}", welcome(auth.addr, resource.addr, &settings.data_dir.display().to_string()));
    let ended = try_join(auth.run_until_stopped(), resource.run_until_stopped()).await;
    traces.end(settings.shutdown.shutdown_timeout).await;
    ended.map(drop).map_err(|why| CommandError::new(why.to_string()))
}

async fn feed_secret(app: &App) -> Result<String, CommandError> {
    app.renew_client(FEED_CLIENT, "revocations:read").await
}

fn welcome(auth: SocketAddr, resource: SocketAddr, data_dir: &str) -> String {
    let lines = WALKTHROUGH
        .replace("127.0.0.1:8080", &auth.to_string())
        .replace("127.0.0.1:8081", &resource.to_string());
    format!(
        "\nauth-service      http://{auth}\nresource-service  http://{resource}\ndata              {data_dir}\n\n\
         Paste these into another terminal, in order. Ctrl-C ends both services.\n\n{lines}"
    )
}
