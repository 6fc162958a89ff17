//! resource-service: a sample of a service behind auth-service. Copy what you need.
//!
//! | module | content |
//! |---|---|
//! | [`routes`] | the protected routes: read this file first; the others are start-up |
//! | [`server`] | start-up: a verifier from the settings, and the routes |
//! | [`settings`] | settings from the command line and the environment |
//! | `readyz`, `metrics` | routes for operators |

mod metrics;
mod readyz;
pub mod routes;
pub mod server;
pub mod settings;

use clap::{Parser, Subcommand};
use service_kit::{
    CommandError, health::check_health, logs, reload::reload_on_sighup, traces::Traces,
};

pub use self::{
    server::{configure, start},
    settings::{Secret, Settings},
};

/// Sample of a service behind auth-service: accepts only requests with a valid access token.
///
/// The URL of auth-service is all it needs. Every setting is an option and an environment variable.
#[derive(Debug, Parser)]
#[command(name = "resource-service", version)]
pub struct Command {
    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    subcommand: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Serve requests (the default)
    Serve,
    /// Check that the service on METRICS_ADDR or, if that is unset, on RESOURCE_ADDR is ready, and
    /// exit
    Healthcheck,
}

/// Runs a command.
///
/// # Errors
/// If the command fails; the error is one line for the operator.
pub async fn run(command: Command) -> Result<(), CommandError> {
    match command.subcommand.unwrap_or(Subcommands::Serve) {
        Subcommands::Serve => serve(command.settings).await,
        Subcommands::Healthcheck => {
            let settings = &command.settings;
            check_health(settings.metrics_addr.unwrap_or(settings.resource_addr)).await
        }
    }
}

async fn serve(settings: Settings) -> Result<(), CommandError> {
    let traces = Traces::start(&settings.traces, "resource-service")?;
    let secret_file = settings.revocations_client_secret_file.clone();
    let running = start(settings)?;
    let secret_hook = secret_file.map(|file| running.secret_reload_hook(file));
    reload_on_sighup(logs::reload_hook().into_iter().chain(secret_hook).collect())?;
    let shutdown = running.shutdown();
    let ended = running.run_until_stopped().await;
    traces.end(shutdown.closing_time()).await;
    ended.map_err(|error| CommandError::new(error.to_string()))
}
