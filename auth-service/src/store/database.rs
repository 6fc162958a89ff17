//! The database to connect to, and connections that keep the time limit.

use std::{env, path::PathBuf, time::Duration};

use diesel::{
    Connection, PgConnection, QueryResult, SqliteConnection, connection::SimpleConnection,
    result::Error as DieselError,
};

use super::{
    connection::{AnyConnection, ConnectError, ping},
    connection_string::ConnectionString,
    pooler::{Pooler, PoolerDetection},
    transaction::{in_transaction, in_transaction_begun_by},
};

/// Parameters with which libpq notices that a server is gone. Without them libpq waits as long as
/// the operating system does.
const LIBPQ_TIMEOUTS: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_count", "3"),
];

/// Time that a connection without a time limit waits for a lock of SQLite, in milliseconds.
const UNLIMITED_BUSY_TIMEOUT_MS: u128 = 60_000;

/// A PostgreSQL database to connect to, perhaps through a pooler. Clones share what they learn of
/// the pooler.
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    parameters: ConnectionString,
    pooler: PoolerDetection,
}

/// A database to connect to.
#[derive(Clone, Debug)]
pub enum Database {
    Postgres(PostgresDatabase),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// An open connection that runs queries within its time limit.
pub struct OpenConnection {
    inner: AnyConnection,
    /// SQL that begins a transaction with the time limit. `None` if the connection has a database
    /// session of its own, which has the time limit already.
    begin: Option<String>,
}

impl Database {
    /// Returns the PostgreSQL database with this address.
    pub fn postgres(parameters: &ConnectionString) -> Self {
        let parameters = LIBPQ_TIMEOUTS.iter().fold(parameters.clone(), |parameters, timeout| {
            let (name, value) = timeout;
            parameters.with_default(name, value)
        });
        Self::Postgres(PostgresDatabase { parameters, pooler: PoolerDetection::default() })
    }

    /// Opens a connection on which no statement runs longer than `limit`. `None`: no limit.
    ///
    /// # Errors
    /// [`ConnectError`], in words that contain no password.
    pub fn connect(&self, limit: Option<Duration>) -> Result<OpenConnection, ConnectError> {
        let millis = limit.unwrap_or_default().as_millis();
        match self {
            Self::Postgres(database) => database.connect(millis),
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                let busy_timeout = if limit.is_some() { millis } else { UNLIMITED_BUSY_TIMEOUT_MS };
                // FULL: a commit survives a power failure, not only a crash of this process.
                connection.batch_execute(&format!(
                    "PRAGMA busy_timeout = {busy_timeout}; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON;"
                ))?;
                Ok(OpenConnection { inner: AnyConnection::Sqlite(connection), begin: None })
            }
        }
    }

    /// Returns the pooler that the connections go through, as far as it is known.
    pub fn pooler(&self) -> Option<Pooler> {
        match self {
            Self::Postgres(database) => database.pooler.found(),
            Self::Sqlite(_) => None,
        }
    }

    /// Records an error of a query. Returns whether the error shows for the first time that the
    /// connections go through a pooler: connections that are open now must not be used again.
    pub fn reveals_pooler(&self, error: &DieselError) -> bool {
        match self {
            Self::Postgres(database) => database.pooler.is_revealed_by(&error.to_string()),
            Self::Sqlite(_) => false,
        }
    }
}

impl PostgresDatabase {
    /// Opens a connection. Its session has the limits, or each of its transactions has them if the
    /// session is a pooler's.
    fn connect(&self, millis: u128) -> Result<OpenConnection, ConnectError> {
        // The locks assume this isolation level, whatever the database's default is. At a stricter
        // level a change of password would wait for a concurrent login, and then not see the
        // login's session.
        let limits = format!(
            "-c statement_timeout={millis} -c default_transaction_isolation=read\\ committed"
        );
        let options = self.parameters.get("options").map(str::to_owned);
        let options = options.or_else(|| env::var("PGOPTIONS").ok()).unwrap_or_default();
        let establish = |more: Option<&str>| match more {
            Some(more) => {
                let options = format!("{options} {limits} {more}");
                let parameters = self.parameters.with("options", options.trim_start());
                PgConnection::establish(&parameters.to_libpq())
            }
            None => PgConnection::establish(&self.parameters.to_libpq()),
        };
        let (connection, is_own_session) = self.pooler.connect(establish)?;
        let begin =
            format!("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {millis}");
        let begin = (!is_own_session).then_some(begin);
        Ok(OpenConnection { inner: AnyConnection::Postgres(connection), begin })
    }
}

impl OpenConnection {
    /// Runs a query. In a session of a pooler, the query runs in a transaction of its own: only a
    /// transaction has the time limit there.
    pub fn run<T>(
        &mut self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        match self.begin {
            Some(_) => self.transaction(query),
            None => query(&mut self.inner),
        }
    }

    /// Runs `work` in a transaction.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        match &self.begin {
            Some(begin) => in_transaction_begun_by(&mut self.inner, begin, work),
            None => in_transaction(&mut self.inner, work),
        }
    }

    /// Checks that the database answers. Costs one round trip.
    pub fn ping(&mut self) -> QueryResult<()> {
        ping(&mut self.inner)
    }

    /// Returns the connection, for work that begins its own transactions and needs no time limit.
    pub fn inner(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
