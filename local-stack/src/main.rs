//! Both services in one process, for a first look and for development: `cargo run` starts it.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use auth_service::config;
use clap::Parser;
use shared::{
    clock::Clock,
    revocations::OutagePolicy,
    service::{self, StartError, traces::Traces},
};

/// What a first look should try, with the default addresses. The README shows the same lines.
const WALKTHROUGH: &str = include_str!("walkthrough.sh");

/// The client that follows the revocations for resource-service. Its secret is another at each start.
const CLIENT: &str = "local-stack";

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
    service::exit_code(run().await)
}

async fn run() -> Result<(), StartError> {
    service::start_logs()?;
    let Command { auth, resource_addr } = service::parse_settings(std::env::args_os())?;
    let data_dir = auth.data_dir.display().to_string();
    let (audience, leeway) = (auth.audience.clone(), auth.leeway);
    let (limits, shutdown) = (auth.limits, auth.shutdown);
    let (traced, trace_settings) = (Traces::start(&auth.traces, "local-stack")?, auth.traces.clone());
    let auth = auth_service::server::start(auth, Clock::system()).await?;
    let secret = auth.state.renew_client(CLIENT, "revocations:read").await?;
    let resource = resource_service::start(resource_service::Settings {
        resource_addr,
        // The one that is set is auth-service's.
        metrics_addr: None,
        issuer: auth.issuer.clone(),
        jwks_url: Some(format!("http://{}/.well-known/jwks.json", auth.addr)),
        jwks_refresh_interval: Duration::from_secs(300),
        revocations_client_id: Some(CLIENT.into()),
        revocations_client_secret: Some(resource_service::Secret(secret)),
        revocations_client_secret_file: None,
        revocations_url: Some(format!("http://{}/revocations", auth.addr)),
        revocations_outage: OutagePolicy::default(),
        audience,
        leeway,
        resource_workers: None,
        limits,
        shutdown,
        traces: trace_settings,
    })?;

    println!("{}", welcome(auth.addr, resource.addr, &data_dir));
    let ended = futures_util::future::try_join(auth.until_told(), resource.until_told()).await;
    traced.end(shutdown.shutdown_timeout).await;
    ended.map(drop).map_err(|why| StartError::new(why.to_string()))
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
