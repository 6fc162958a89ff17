//! The command line. Each subcommand has a file, which parses its options, calls a use case, and
//! prints the outcome.

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
use service_kit::{
    CommandError, health::check_health, logs, reload::reload_on_sighup, traces::Traces,
};
use shared::{claims::is_scope_name, clock::Clock};

use crate::{
    accounts::{AdminError, UserAdmin},
    app::open_store_for_cli,
    config::Settings,
    domain::audit::Initiator,
    http::server,
    keys::KeysError,
    oauth::ClientAdminError,
    store::{Store, StoreError},
};

/// Registers users, logs them in, and issues, refreshes and revokes tokens.
///
/// Without any setting, the service keeps all data in the folder `data` and needs no other program.
/// Each setting is an option and an environment variable.
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

/// Command of an operator on the data that the settings name. A program that runs auth-service can
/// offer these commands as its own.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the fields are the commands' own options")]
pub enum OperatorCommand {
    /// Apply missing migrations to the database, and exit
    Migrate,
    /// Check settings, secret, keys, clocks and stores, and print what is wrong and how to repair
    /// it
    Doctor,
    /// Generate the secret that all replicas share, unless its file exists
    GenerateSecret,
    /// List and rotate the keys that sign access tokens
    Keys {
        #[command(subcommand)]
        action: keys::Action,
    },
    /// Show, change or delete a user
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
    /// Print the audit trail: what users, clients and operators did, oldest first
    Audit(audit::Query),
    /// Delete expired sessions and old events of the audit trail, and exit. A running service does
    /// so every ten minutes
    Cleanup,
    /// Check that the service on AUTH_ADDR is ready, and exit
    Healthcheck,
}

/// Runs a command.
///
/// # Errors
/// If the command fails; the error is one line for the operator.
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
pub async fn run_operator_command(
    settings: &Settings,
    command: OperatorCommand,
) -> Result<(), CommandError> {
    match command {
        OperatorCommand::Doctor => doctor::run(settings).await,
        OperatorCommand::Migrate => migrate::run(settings).await,
        OperatorCommand::Keys { action } => keys::run(settings, action).await,
        OperatorCommand::GenerateSecret => secret::run(settings),
        OperatorCommand::Users { action } => users::run(settings, action).await,
        OperatorCommand::Clients { action } => clients::run(settings, action).await,
        OperatorCommand::Audit(query) => audit::run(settings, query).await,
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

/// Opens the database for the use cases of an operator who administers users.
async fn user_admin(settings: &Settings) -> Result<UserAdmin, CommandError> {
    let store = open_migrated_store(settings).await?;
    Ok(UserAdmin { store, clock: Clock::system(), initiator: Initiator::operator() })
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

impl From<KeysError> for CommandError {
    fn from(why: KeysError) -> Self {
        Self::new(why.to_string())
    }
}

/// Parses the name of a scope (RFC 6749 section 3.3) or a role.
fn scope_name(text: &str) -> Result<String, String> {
    if text.len() <= 100 && is_scope_name(text) {
        Ok(text.into())
    } else {
        let characters = "printable ASCII characters without spaces, quotes and backslashes";
        Err(format!("must be 1 to 100 {characters}"))
    }
}

/// Formats a time for people (RFC 3339), to the second.
fn time(ms: i64) -> String {
    Timestamp::from_second(ms / 1000).map_or_else(|_| "-".into(), |time| time.to_string())
}
