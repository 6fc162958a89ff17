//! The command line: a file a subcommand.

mod audit;
mod cleanup;
mod clients;
mod doctor;
mod keys;
mod migrate;
mod secret;
mod users;

use clap::{Parser, Subcommand};
use jiff::Timestamp;
use service_kit::{CommandError, health::check_health, logs, reload::reload_on_sighup, traces::Traces};
use shared::{claims::is_scope_name, clock::Clock};

use crate::{
    accounts::admin::AdminError,
    app::open_store_for_cli,
    config::Settings,
    http::server,
    oauth::clients::ClientAdminError,
    store::{Store, StoreError},
};

/// Registers people, logs them in, and issues, refreshes and revokes tokens.
///
/// Without a setting it keeps everything in the folder `data` and needs nothing else. Every setting is an option and
/// an environment variable.
#[derive(Debug, Parser)]
#[command(name = "auth-service", version)]
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
    #[command(flatten)]
    Operator(OperatorCommand),
}

/// Command of an operator on the data that the settings name. Every program that runs auth-service
/// can offer these commands as its own.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the fields are the commands' own options")]
pub enum OperatorCommand {
    /// Bring the database's schema up to date, and end
    Migrate,
    /// Look at settings, secret, keys, clocks and stores, and say what is wrong and how to mend it
    Doctor,
    /// Make the file with the secret that all replicas share, unless it is there
    GenerateSecret,
    /// List and rotate the keys that sign access tokens
    Keys {
        #[command(subcommand)]
        action: keys::Action,
    },
    /// Show a user, or change what a user may do
    Users {
        #[command(subcommand)]
        action: users::Action,
    },
    /// Make and delete clients: programs that act in their own right, or that may ask about tokens
    Clients {
        #[command(subcommand)]
        action: clients::Action,
    },
    /// Print what people, clients and operators did, oldest first
    Audit(audit::Which),
    /// Delete sessions that have expired and old events of the audit trail, and end. A service that runs does so by itself
    Cleanup,
    /// Ask the service that listens on the address whether it is ready
    Healthcheck,
}

/// Does what the command line says.
///
/// # Errors
/// One line that says why it did not.
pub async fn run(command: Command) -> Result<(), CommandError> {
    let settings = command.settings;
    match command.subcommand.unwrap_or(Subcommands::Serve) {
        Subcommands::Serve => serve(settings).await,
        Subcommands::Operator(command) => run_operator_command(&settings, command).await,
    }
}

async fn serve(settings: Settings) -> Result<(), CommandError> {
    let limit = settings.shutdown.shutdown_timeout;
    let traces = Traces::start(&settings.traces, "auth-service")?;
    reload_on_sighup(logs::reload_hook().into_iter().collect())?;
    let running = server::start(settings, Clock::system()).await?;
    let ended = running.run_until_stopped().await;
    traces.end(limit).await;
    ended.map_err(|why| CommandError::new(why.to_string()))
}

/// Runs an operator's command.
///
/// # Errors
/// If the command fails; the error is one line for the operator.
pub async fn run_operator_command(settings: &Settings, command: OperatorCommand) -> Result<(), CommandError> {
    match command {
        OperatorCommand::Doctor => doctor::run(settings).await,
        OperatorCommand::Migrate => migrate::run(settings).await,
        OperatorCommand::Keys { action } => keys::run(settings, action).await,
        OperatorCommand::GenerateSecret => secret::run(settings),
        OperatorCommand::Users { action } => users::run(settings, action).await,
        OperatorCommand::Clients { action } => clients::run(settings, action).await,
        OperatorCommand::Audit(which) => audit::run(settings, which).await,
        OperatorCommand::Cleanup => cleanup::run(settings).await,
        OperatorCommand::Healthcheck => check_health(settings.auth_addr).await,
    }
}

/// Opens the database and applies missing migrations.
async fn open_migrated_store(settings: &Settings) -> Result<Store, CommandError> {
    let store = open_store_for_cli(settings)?;
    store.migrate().await?;
    Ok(store)
}

impl From<StoreError> for CommandError {
    fn from(why: StoreError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<AdminError> for CommandError {
    fn from(why: AdminError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<ClientAdminError> for CommandError {
    fn from(why: ClientAdminError) -> Self {
        Self::new(why.to_string())
    }
}

/// What a scope or a role may be called (RFC 6749 section 3.3).
fn scope_name(text: &str) -> Result<String, String> {
    if text.len() <= 100 && is_scope_name(text) {
        Ok(text.into())
    } else {
        Err("must be 1 to 100 printable ASCII characters without spaces, quotes and backslashes".into())
    }
}

/// A time as people read it (RFC 3339), to the second.
fn time(ms: i64) -> String {
    Timestamp::from_second(ms / 1000).map_or_else(|_| "-".into(), |time| time.to_string())
}
