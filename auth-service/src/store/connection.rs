//! A connection to either database, and how a pool opens, checks and drops it.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{
    Connection, ConnectionError, PgConnection, QueryResult, RunQueryDsl, SqliteConnection,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    result::{DatabaseErrorKind, Error as DieselError},
};

use super::failure::reason;
use crate::health::DependencyHealth;

/// URL of a PostgreSQL database, which may hold a password. Never printed.
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

/// Which database.
#[derive(Clone, Debug)]
pub enum Database {
    /// PostgreSQL at this URL.
    Postgres(DatabaseUrl),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// A connection to one of them: queries are written once (diesel's `MultiConnection`).
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

type Transactions = <AnyConnection as Connection>::TransactionManager;

/// Runs `work` in a transaction; within one, in a savepoint. SQLite's lock for writing is taken at the start: of two that
/// first read and then write, one could not go on.
pub fn in_transaction<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let depth = Transactions::transaction_manager_status_mut(connection).transaction_depth()?;
    match connection {
        AnyConnection::Sqlite(sqlite) if depth.is_none() => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?;
        }
        _ => Transactions::begin_transaction(connection)?,
    }
    match work(connection) {
        Ok(answer) => Transactions::commit_transaction(connection).map(|()| answer),
        Err(why) => {
            // Should this fail, the connection says so to whoever uses it next.
            let _ = Transactions::rollback_transaction(connection);
            Err(why)
        }
    }
}

/// The advisory lock of [`with_cleanup_lock`].
const CLEANUP_LOCK: i64 = 0x6175_7468_636c_6561;

#[derive(diesel::QueryableByName)]
struct Locked {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    locked: bool,
}

/// Runs `work` in a transaction, unless another process is in one of these. `None` if one is.
pub fn with_cleanup_lock<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<Option<T>> {
    in_transaction(connection, |connection| {
        if let AnyConnection::Postgres(postgres) = connection {
            let lock = format!("SELECT pg_try_advisory_xact_lock({CLEANUP_LOCK}) AS locked");
            if !diesel::sql_query(lock).get_result::<Locked>(postgres)?.locked {
                return Ok(None);
            }
        }
        work(connection).map(Some)
    })
}

/// Inserts what must be unique. Says whether it did; PostgreSQL's transaction goes on either way.
pub fn insert_unless_exists(
    connection: &mut AnyConnection,
    insert: impl FnOnce(&mut AnyConnection) -> QueryResult<usize>,
) -> QueryResult<bool> {
    match in_transaction(connection, insert) {
        Ok(_) => Ok(true),
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(why) => Err(why),
    }
}

/// Why there is no connection. It never quotes the URL, which may hold a password.
#[derive(Debug)]
pub struct ConnectError(String);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectionError> for ConnectError {
    fn from(error: ConnectionError) -> Self {
        let text = error.to_string();
        // libpq's complaints about a URL quote it, its complaints about a server do not.
        let quotable = ["connection to server", "unable to open database"];
        if quotable.iter().any(|start| text.to_lowercase().contains(start)) {
            Self(text)
        } else {
            Self("its host is not known, or DATABASE_URL is not a URL that libpq understands".into())
        }
    }
}

impl From<DieselError> for ConnectError {
    fn from(error: DieselError) -> Self {
        Self(error.to_string())
    }
}

impl Database {
    /// Opens a connection on which no statement runs longer than `limit`; `None` is no limit.
    pub fn connect(&self, limit: Option<Duration>) -> Result<AnyConnection, ConnectError> {
        let millis = limit.unwrap_or_default().as_millis();
        match self {
            Self::Postgres(DatabaseUrl(url)) => {
                let mut connection = PgConnection::establish(&with_patience(url))?;
                // What locks are taken for, whatever the database's default is: with another isolation a change of a
                // password would wait for a login, and then not see its session.
                connection.batch_execute(&format!(
                    "SET statement_timeout = {millis}; \
                     SET default_transaction_isolation = 'read committed'"
                ))?;
                Ok(AnyConnection::Postgres(connection))
            }
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                // FULL: what was acknowledged survives a power failure, not only a crash of this process.
                connection.batch_execute(&format!(
                    "PRAGMA busy_timeout = {}; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON;",
                    if limit.is_some() { millis } else { 60_000 }
                ))?;
                Ok(AnyConnection::Sqlite(connection))
            }
        }
    }
}

/// How libpq finds out that a server is gone: it waits for ever, or as long as the system does, unless it is told.
const PATIENCE: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_count", "3"),
];

/// The URL with what it does not say itself of [`PATIENCE`].
fn with_patience(url: &str) -> String {
    let (start, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parameters: Vec<String> =
        query.split('&').filter(|text| !text.is_empty()).map(Into::into).collect();
    for (name, value) in PATIENCE {
        if !parameters.iter().any(|parameter| parameter.starts_with(&format!("{name}="))) {
            parameters.push(format!("{name}={value}"));
        }
    }
    format!("{start}?{}", parameters.join("&"))
}

/// How often any connection has failed. Each connection remembers the count at its last check, so that one which may
/// be dead is checked before it is used, and all others cost no round trip.
pub type Failures = Arc<AtomicU64>;

/// What the pool holds.
pub struct Pooled {
    pub inner: AnyConnection,
    /// Not to be used again.
    pub broken: bool,
    checked_at: u64,
}

/// How the pool opens, checks and drops connections.
pub struct Manager {
    pub database: Database,
    pub limit: Duration,
    pub failures: Failures,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = ConnectError;

    fn connect(&self) -> Result<Pooled, ConnectError> {
        let checked_at = self.failures.load(Ordering::Relaxed);
        let inner = self.database.connect(Some(self.limit))?;
        Ok(Pooled { inner, broken: false, checked_at })
    }

    fn is_valid(&self, connection: &mut Pooled) -> Result<(), ConnectError> {
        let failures = self.failures.load(Ordering::Relaxed);
        if connection.checked_at != failures {
            diesel::sql_query("SELECT 1").execute(&mut connection.inner)?;
            connection.checked_at = failures;
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Pooled) -> bool {
        connection.broken
    }
}

/// r2d2 reports here why it cannot open a connection; whoever waits for one is only told that there is none.
#[derive(Debug)]
pub struct ReportTo {
    pub health: Arc<DependencyHealth>,
    /// How long anybody waits for a connection.
    pub limit: Duration,
}

impl r2d2::HandleError<ConnectError> for ReportTo {
    fn handle_error(&self, error: ConnectError) {
        self.health.record_failure(&error, reason(&error.to_string(), self.limit));
    }
}
