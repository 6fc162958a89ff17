//! Settings of the database.

use std::{path::PathBuf, time::Duration};

use clap::{Args, value_parser};
use service_kit::settings::positive_seconds;

use super::secret_url::{SecretUrl, UrlFile, in_file};
use crate::store::ConnectionString;

/// Settings of the database.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Address of PostgreSQL, in a form that libpq accepts: postgres://user:password@host/database,
    /// with several hosts separated by commas, or pairs such as host=db user=auth. Unset: SQLite in
    /// the data folder
    #[arg(
        id = "database_url",
        long = "database-url",
        env = "DATABASE_URL",
        value_name = "URL",
        group = "database",
        hide_env_values = true,
        value_parser = database_url
    )]
    pub url: Option<SecretUrl>,

    /// File that contains DATABASE_URL
    #[arg(
        id = "database_url_file",
        long = "database-url-file",
        env = "DATABASE_URL_FILE",
        value_name = "FILE",
        group = "database",
        value_parser = in_file(database_url)
    )]
    pub url_in_file: Option<UrlFile>,

    /// Maximum number of connections to the database, for each process
    #[arg(
        id = "database_pool_size",
        long = "database-pool-size",
        env = "DATABASE_POOL_SIZE",
        value_name = "COUNT",
        default_value = "10",
        value_parser = value_parser!(u32).range(1..=1000)
    )]
    pub pool_size: u32,

    /// Maximum time that a request waits for the database before it is answered 503, in seconds
    #[arg(
        id = "database_timeout",
        long = "database-timeout",
        env = "DATABASE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "3",
        value_parser = positive_seconds
    )]
    pub timeout: Duration,
}

impl DatabaseSettings {
    /// Returns the URL of PostgreSQL. `None`: SQLite.
    pub fn url(&self) -> Option<&SecretUrl> {
        self.url.as_ref().or_else(|| self.url_in_file.as_ref().map(|file| &file.url))
    }

    /// Returns the file that the URL was read from.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.url_in_file.as_ref().map(|file| file.file.clone())
    }
}

fn database_url(text: &str) -> Result<SecretUrl, String> {
    ConnectionString::parse(text).map(|_| SecretUrl::new(text))
}
