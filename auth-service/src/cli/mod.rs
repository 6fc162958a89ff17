//! The command line. Each subcommand has a file, which parses its options, calls a use case, and
//! prints the outcome.

mod apply;
mod audit;
mod cleanup;
mod clients;
mod differences;
mod doctor;
mod format;
mod keys;
mod migrate;
mod open;
mod operator;
mod outbox;
mod prompt;
mod secret;
mod text;
mod users;
mod webhooks;

use clap::{Parser, Subcommand};
use serde_json::json;
use service_kit::{
    CommandError, health::check_health, logs, output::print, reload::reload_on_sighup,
    traces::Traces,
};
use shared::clock::Clock;

pub use self::format::Format;
use crate::{config::Settings, http::server};

/// Registers users, logs them in, and issues, refreshes and revokes tokens.
///
/// Without any setting, the service keeps all data in the folder `data` and needs no other program.
/// Each setting is an option and an environment variable.
#[derive(Debug, Parser)]
#[command(name = "auth-service", version)]
pub struct Command {
    // First, because the heading of the settings applies to all options after them.
    #[command(flatten)]
    format: Format,

    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    subcommand: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Serve requests (the default)
    Serve,
    #[command(flatten)]
    Operator(OperatorCommand),
}

/// Command of an operator on the data that the settings name. A program that runs auth-service can
/// offer these commands as its own.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the fields are the commands' own options")]
pub enum OperatorCommand {
    /// Apply missing migrations to the database, and exit
    Migrate,
    /// Check settings, secret, keys, clocks and stores, and print what is wrong and how to repair
    /// it
    Doctor(doctor::Options),
    /// Generate the secret that all replicas share, unless its file exists
    GenerateSecret,
    /// List and rotate the keys that sign access tokens
    Keys {
        #[command(subcommand)]
        action: keys::Action,
    },
    /// Create, list, show, change or delete users
    Users {
        #[command(subcommand)]
        action: users::Action,
    },
    /// Register, list and delete clients: programs that get tokens of their own or introspect
    /// tokens
    Clients {
        #[command(subcommand)]
        action: clients::Action,
    },
    /// List receivers of webhooks, test them, and send webhooks again
    Webhooks {
        #[command(subcommand)]
        action: webhooks::Action,
    },
    /// Make clients, grants, reserved names and receivers of webhooks as a file states, and print
    /// what differs
    Apply(apply::Apply),
    /// Print the audit trail: what users, clients and operators did, oldest first
    Audit(audit::Query),
    /// List messages that are still to be sent, and send them again
    Outbox {
        #[command(subcommand)]
        action: outbox::Action,
    },
    /// Delete expired sessions and old events of the audit trail, and exit. A running service does
    /// so every ten minutes
    Cleanup,
    /// Check that the service on METRICS_ADDR or, if that is unset, on AUTH_ADDR is ready, and exit
    Healthcheck,
}

/// Runs a command.
///
/// # Errors
/// If the command fails; the error is one line for the operator.
pub async fn run(command: Command) -> Result<(), CommandError> {
    let Command { format, settings, subcommand } = command;
    match subcommand.unwrap_or(Subcommands::Serve) {
        Subcommands::Serve => serve(settings).await,
        Subcommands::Operator(operator) => run_operator_command(&settings, operator, format).await,
    }
}

async fn serve(settings: Settings) -> Result<(), CommandError> {
    let traces = Traces::start(&settings.traces, "auth-service")?;
    reload_on_sighup(logs::reload_hook().into_iter().collect())?;
    let running = server::start(settings, Clock::system()).await?;
    let shutdown = running.shutdown();
    let ended = running.run_until_stopped().await;
    traces.end(shutdown.closing_time()).await;
    ended.map_err(|why| CommandError::new(why.to_string()))
}

/// Runs an operator's command.
///
/// # Errors
/// If the command fails; the error is one line for the operator.
pub async fn run_operator_command(
    settings: &Settings,
    command: OperatorCommand,
    format: Format,
) -> Result<(), CommandError> {
    match command {
        OperatorCommand::Doctor(options) => doctor::run(settings, options, format).await,
        OperatorCommand::Migrate => migrate::run(settings, format).await,
        OperatorCommand::Keys { action } => keys::run(settings, action, format).await,
        OperatorCommand::GenerateSecret => secret::run(settings, format).await,
        OperatorCommand::Users { action } => users::run(settings, action, format).await,
        OperatorCommand::Clients { action } => clients::run(settings, action, format).await,
        OperatorCommand::Webhooks { action } => webhooks::run(settings, action, format).await,
        OperatorCommand::Apply(apply) => apply::run(settings, apply, format).await,
        OperatorCommand::Audit(query) => audit::run(settings, query, format).await,
        OperatorCommand::Outbox { action } => outbox::run(settings, action, format).await,
        OperatorCommand::Cleanup => cleanup::run(settings, format).await,
        OperatorCommand::Healthcheck => {
            check_health(settings.metrics_addr.unwrap_or(settings.auth_addr)).await?;
            print(&format.one(String::new, || json!({"ready": true})))
        }
    }
}
