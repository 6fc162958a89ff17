//! Both services in one process, for a first look and for development. `cargo run` starts it.

mod first_steps;

use std::{env, net::SocketAddr, process::ExitCode, time::Duration};

use auth_service::{
    cli::{OperatorCommand, run_operator_command},
    config,
};
use clap::{Parser, Subcommand};
use futures_util::future::try_join;
use service_kit::{CommandError, exit_code, init_logs, parse_settings, traces::Traces};
use shared::{clock::Clock, revocations::OutagePolicy};

/// Id of the client that follows the revocation feed for resource-service. Each start renews its
/// secret.
const FEED_CLIENT: &str = "local-stack";

/// Runs auth-service and resource-service in one process, for a first look and for development.
///
/// The settings are those of auth-service, and the address of resource-service. The other settings
/// of resource-service follow from them. The commands for operators are those of auth-service.
#[derive(Debug, Parser)]
#[command(name = "local-stack", version)]
struct Command {
    #[command(flatten)]
    auth: config::Settings,

    /// Address of resource-service
    #[arg(
        long,
        env = "RESOURCE_ADDR",
        value_name = "IP:PORT",
        default_value = first_steps::RESOURCE_ADDR,
        help_heading = "Settings"
    )]
    resource_addr: SocketAddr,

    #[command(subcommand)]
    subcommand: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run both services (the default)
    Serve,
    /// Print shell commands that register, log in, call resource-service, refresh and log out
    Walkthrough,
    #[command(flatten)]
    Operator(OperatorCommand),
}

#[actix_web::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), CommandError> {
    init_logs()?;
    let Command { auth, resource_addr, subcommand } = parse_settings(env::args_os())?;
    match subcommand.unwrap_or(Subcommands::Serve) {
        Subcommands::Serve => serve(auth, resource_addr).await,
        Subcommands::Walkthrough => {
            print!("{}", first_steps::walkthrough(auth.auth_addr, resource_addr));
            Ok(())
        }
        Subcommands::Operator(command) => run_operator_command(&auth, command).await,
    }
}

async fn serve(settings: config::Settings, resource_addr: SocketAddr) -> Result<(), CommandError> {
    let traces = Traces::start(&settings.traces, "local-stack")?;
    let auth = auth_service::start(settings.clone(), Clock::system()).await?;
    let feed_secret = auth.app.renew_client(FEED_CLIENT, "revocations:read").await?;
    let resource = resource_service::start(resource_service::Settings {
        resource_addr,
        // METRICS_ADDR is the ops listener of auth-service.
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
    println!("{}", first_steps::welcome(auth.addr, resource.addr, &settings.data_dir));
    let ended = try_join(auth.run_until_stopped(), resource.run_until_stopped()).await;
    traces.end(settings.shutdown.shutdown_timeout).await;
    ended.map(drop).map_err(|error| CommandError::new(error.to_string()))
}
