//! The database that the settings name.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::PathBuf, time::Duration};

use service_kit::CommandError;

use crate::{
    config::Settings,
    keys::create_private_folder,
    store::{ConnectionString, Database, Store},
};

/// Minimum time limit of a query of the command line, which may change a million rows.
const CLI_DATABASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the database that the settings name.
///
/// # Errors
/// If DATABASE_URL is not an address of PostgreSQL.
pub fn database(settings: &Settings) -> Result<Database, CommandError> {
    let Some(url) = settings.database.url() else {
        return Ok(Database::Sqlite(sqlite_file(settings)));
    };
    let parameters = ConnectionString::parse(url.reveal());
    let parameters = parameters.map_err(|why| CommandError::new(format!("DATABASE_URL {why}")))?;
    Ok(Database::postgres(&parameters))
}

/// Returns access to the database, which need not be reachable yet. Creates a missing SQLite file.
///
/// # Errors
/// One line that names the folder or file that cannot be created.
pub fn open_store(settings: &Settings) -> Result<Store, CommandError> {
    create_sqlite_file(settings)?;
    store(settings, settings.database.timeout)
}

/// Returns access to the database for `migrate`, with a longer time limit. Creates a missing SQLite
/// file.
///
/// # Errors
/// As [`open_store`].
pub fn open_store_to_migrate(settings: &Settings) -> Result<Store, CommandError> {
    create_sqlite_file(settings)?;
    open_existing_store(settings)
}

/// Returns access to the database for other commands, with a longer time limit. Creates nothing.
///
/// # Errors
/// If DATABASE_URL is not an address of PostgreSQL.
pub fn open_existing_store(settings: &Settings) -> Result<Store, CommandError> {
    store(settings, settings.database.timeout.max(CLI_DATABASE_TIMEOUT))
}

fn store(settings: &Settings, timeout: Duration) -> Result<Store, CommandError> {
    Ok(Store::new(database(settings)?, settings.database.pool_size, timeout))
}

fn create_sqlite_file(settings: &Settings) -> Result<(), CommandError> {
    if settings.database.url().is_some() {
        return Ok(());
    }
    let file = sqlite_file(settings);
    let folder = &settings.data_dir;
    create_private_folder(folder).map_err(|why| {
        let folder = folder.display();
        CommandError::new(format!("cannot create the folder {folder} (DATA_DIR): {why}"))
    })?;
    // SQLite would create a file that other users can read.
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&file);
    opened.map(drop).map_err(|why| {
        CommandError::new(format!("cannot write to {} (DATA_DIR): {why}", file.display()))
    })
}

pub fn sqlite_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("auth.sqlite3")
}
