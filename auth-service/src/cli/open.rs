//! The services that commands take.

use std::sync::Arc;

use service_kit::CommandError;
use shared::clock::Clock;

use super::operator;
use crate::{
    accounts::{OneTimeCodes, UserAdmin},
    app::{self, database, open_existing_store},
    config::Settings,
    credentials::{HashPool, HashPoolMetrics, Passwords},
    jobs::{
        outbox::MailSealer,
        webhooks::{Receivers, WebhookAdmin},
    },
    keys::Secret,
    store::{Database, Missing, Store},
};

/// Opens the database. Creates and changes nothing.
///
/// # Errors
/// If the database does not have the schema of this version.
pub async fn open_store(settings: &Settings) -> Result<Store, CommandError> {
    let remedy = "run `auth-service migrate`, or start the service";
    if let Database::Sqlite(file) = database(settings)?
        && !file.exists()
    {
        let file = file.display();
        return Err(CommandError::new(format!("{file} (DATA_DIR) does not exist: {remedy}")));
    }
    let store = open_existing_store(settings)?;
    match store.missing_migrations().await {
        Ok(Missing::None) => Ok(store),
        Ok(Missing::All(_)) => {
            Err(CommandError::new(format!("the database does not have the schema: {remedy}")))
        }
        Ok(Missing::Some(count)) => Err(CommandError::new(format!(
            "the database has an older schema ({count} migrations are missing): {remedy}"
        ))),
        Err(_) => Err(unavailable(&store)),
    }
}

/// Returns the error of a command that needs a database that is not available.
pub fn unavailable(store: &Store) -> CommandError {
    CommandError::new(format!("the database is not available: {}", store.unavailable_reason()))
}

/// Opens the database for changes that receivers of webhooks learn of.
pub async fn open_recorded_store(settings: &Settings) -> Result<Store, CommandError> {
    let store = open_store(settings).await?;
    // Most commands need no secret, so a missing or wrong one matters only if there is a receiver.
    let secret = Secret::read(&settings.secret_key_file()).ok();
    store.observe(Arc::new(Receivers::of_command(secret.map(Arc::new))));
    Ok(store)
}

/// Opens the database for the use cases of an operator who administers webhooks.
pub async fn webhook_admin(settings: &Settings) -> Result<WebhookAdmin, CommandError> {
    let secret = Arc::new(Secret::read(&settings.secret_key_file())?);
    let store = open_store(settings).await?;
    Ok(WebhookAdmin { store, clock: Clock::system(), initiator: operator::initiator(), secret })
}

/// Opens the database for the use cases of an operator who administers users.
pub async fn user_admin(settings: &Settings) -> Result<UserAdmin, CommandError> {
    let store = open_recorded_store(settings).await?;
    let initiator = operator::initiator();
    Ok(UserAdmin { store, clock: Clock::system(), initiator, replica: None })
}

/// Returns the service of one-time codes, whose secret must be that of the replicas.
pub fn one_time_codes(settings: &Settings) -> Result<OneTimeCodes, CommandError> {
    let secret = Secret::read(&settings.secret_key_file())?;
    Ok(app::one_time_codes(settings, &secret))
}

/// Returns what seals mails for the replicas to send.
pub fn mail_sealer(settings: &Settings) -> Result<MailSealer, CommandError> {
    let secret = Secret::read(&settings.secret_key_file())?;
    Ok(MailSealer { secret, clock: Clock::system() })
}

/// Key that draws the dummy hashes of a pool that verifies no password.
const NO_KEY: [u8; 32] = [0; 32];

/// Starts a pool that hashes one password.
pub fn password_pool(settings: &Settings) -> Result<Passwords, CommandError> {
    let pool = HashPool::start(1, 1, HashPoolMetrics::default())
        .map_err(|why| CommandError::new(format!("cannot start a thread for hashing: {why}")))?;
    Ok(Passwords::new(pool, settings.bcrypt_cost, &NO_KEY))
}
