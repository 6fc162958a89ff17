//! A connection to either database.

use std::{fmt, path::PathBuf, time::Duration};

use diesel::{
    Connection, ConnectionError, PgConnection, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection, result::Error as DieselError,
};

/// Parameters with which libpq notices that a server is gone. Without them it waits as long as the
/// operating system does.
const LIBPQ_TIMEOUTS: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_count", "3"),
];

/// Time that a connection without a time limit waits for a lock of SQLite, in milliseconds.
const UNLIMITED_BUSY_TIMEOUT_MS: u128 = 60_000;

/// URL of a PostgreSQL database, which may contain a password. Never printed.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(redacted)")
    }
}

/// A database to connect to.
#[derive(Clone, Debug)]
pub enum Database {
    Postgres(DatabaseUrl),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// A connection to either database. Queries are written once (diesel's `MultiConnection`).
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// Error returned when no connection can be opened. It never quotes the URL, which may contain a
/// password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(String);

impl From<ConnectionError> for ConnectError {
    fn from(error: ConnectionError) -> Self {
        let text = error.to_string();
        // libpq quotes the URL in errors about a URL, not in errors about a server.
        let quotable = ["connection to server", "unable to open database"];
        if quotable.iter().any(|start| text.to_lowercase().contains(start)) {
            Self(text)
        } else {
            Self("unknown host, or DATABASE_URL is not a URL that libpq accepts".into())
        }
    }
}

impl From<DieselError> for ConnectError {
    fn from(error: DieselError) -> Self {
        Self(error.to_string())
    }
}

impl Database {
    /// Opens a connection on which no statement runs longer than `limit`. `None`: no limit.
    ///
    /// # Errors
    /// [`ConnectError`], in words that contain no password.
    pub fn connect(&self, limit: Option<Duration>) -> Result<AnyConnection, ConnectError> {
        let millis = limit.unwrap_or_default().as_millis();
        match self {
            Self::Postgres(DatabaseUrl(url)) => {
                let mut connection = PgConnection::establish(&with_timeouts(url))?;
                // The locks assume this isolation level, whatever the database's default is. At a
                // stricter level a change of password would wait for a concurrent login, and then
                // not see the login's session.
                connection.batch_execute(&format!(
                    "SET statement_timeout = {millis}; \
                     SET default_transaction_isolation = 'read committed'"
                ))?;
                Ok(AnyConnection::Postgres(connection))
            }
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                let busy_timeout = if limit.is_some() { millis } else { UNLIMITED_BUSY_TIMEOUT_MS };
                // FULL: a commit survives a power failure, not only a crash of this process.
                connection.batch_execute(&format!(
                    "PRAGMA busy_timeout = {busy_timeout}; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON;"
                ))?;
                Ok(AnyConnection::Sqlite(connection))
            }
        }
    }
}

/// Runs the cheapest query, to learn whether the database answers.
pub fn ping(connection: &mut AnyConnection) -> QueryResult<()> {
    diesel::sql_query("SELECT 1").execute(connection).map(drop)
}

/// Returns the URL with each of [`LIBPQ_TIMEOUTS`] that the URL does not set itself.
fn with_timeouts(url: &str) -> String {
    let (start, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parameters: Vec<String> =
        query.split('&').filter(|text| !text.is_empty()).map(Into::into).collect();
    for (name, value) in LIBPQ_TIMEOUTS {
        if !parameters.iter().any(|parameter| parameter.starts_with(&format!("{name}="))) {
            parameters.push(format!("{name}={value}"));
        }
    }
    format!("{start}?{}", parameters.join("&"))
}
