//! The database that the settings name.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::PathBuf, time::Duration};

use service_kit::CommandError;

use crate::{
    config::Settings,
    keys::create_private_folder,
    store::{Database, DatabaseUrl, Store},
};

/// Minimum time limit of a query of the command line, which may change a million rows.
const CLI_DATABASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the database that the settings name.
pub fn database(settings: &Settings) -> Database {
    match settings.database.url() {
        Some(url) => Database::Postgres(DatabaseUrl::new(url.reveal())),
        None => Database::Sqlite(sqlite_file(settings)),
    }
}

/// Returns access to the database, which need not be reachable yet. Creates a missing SQLite file.
///
/// # Errors
/// One line that names the folder or file that cannot be created.
pub fn open_store(settings: &Settings) -> Result<Store, CommandError> {
    let database = database(settings);
    if let Database::Sqlite(file) = &database {
        let folder = &settings.data_dir;
        create_private_folder(folder).map_err(|why| {
            let folder = folder.display();
            CommandError::new(format!("cannot create the folder {folder} (DATA_DIR): {why}"))
        })?;
        // SQLite would create a file that other users can read.
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
        opened.map_err(|why| {
            CommandError::new(format!("cannot write to {} (DATA_DIR): {why}", file.display()))
        })?;
    }
    Ok(Store::new(database, settings.database.pool_size, settings.database.timeout))
}

/// Returns access to the database for the command line, with a longer time limit.
///
/// # Errors
/// As [`open_store`].
pub fn open_store_for_cli(settings: &Settings) -> Result<Store, CommandError> {
    let mut settings = settings.clone();
    settings.database.timeout = settings.database.timeout.max(CLI_DATABASE_TIMEOUT);
    open_store(&settings)
}

pub fn sqlite_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("auth.sqlite3")
}
