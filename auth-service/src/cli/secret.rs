//! `auth-service generate-secret`: generates the secret that all replicas share.

use serde_json::json;
use service_kit::{
    CommandError,
    output::{print_outcome, warn},
};

use super::format::Format;
use crate::{
    app::database,
    config::Settings,
    health::one_line,
    keys::{Secret, WriteOutcome},
    store::{Database, examine::examine},
};

pub async fn run(settings: &Settings, format: Format) -> Result<(), CommandError> {
    let file = settings.secret_key_file();
    let outcome = Secret::create_if_missing(&file)?;
    // An existing file must contain a usable secret.
    let secret = Secret::read(&file)?;
    secret.check_strength(&file)?;
    let name = file.display();
    match keys_of_other_secrets(settings, &secret).await {
        Ok(0) => {}
        Ok(count) => warn(&format!(
            "{name} does not open {count} signing keys in the database, which another secret \
             sealed. To add a replica, give it the file of the other replicas instead. To replace \
             the secret, follow docs/guides/rotate-keys.md"
        )),
        Err(why) => warn(&format!(
            "cannot check whether the database has signing keys of another secret: {why}"
        )),
    }
    let text = || match outcome {
        WriteOutcome::Created => format!("Generated {name}\n"),
        WriteOutcome::AlreadyExists => format!("{name} exists already\n"),
    };
    let is_created = matches!(outcome, WriteOutcome::Created);
    let json = || json!({"file": name.to_string(), "created": is_created});
    print_outcome(&format.one(text, json))
}

/// Returns the number of signing keys in the database that the secret does not open. 0 if there is
/// no database yet.
async fn keys_of_other_secrets(settings: &Settings, secret: &Secret) -> Result<usize, String> {
    let database = database(settings).map_err(|why| why.to_string())?;
    if let Database::Sqlite(file) = &database
        && !file.exists()
    {
        return Ok(0);
    }
    let timeout = settings.database.timeout;
    let examined = tokio::task::spawn_blocking(move || examine(&database, timeout)).await;
    let examined = examined.map_err(|why| why.to_string())?;
    let examined = examined.map_err(|why| one_line(&why.to_string()))?;
    let keys = examined.keys.iter();
    Ok(keys.filter(|row| secret.open(&row.kid, &row.sealed).is_none()).count())
}
