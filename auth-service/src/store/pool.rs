//! The pool of connections, which is replaced when its connections hang.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    connection::ConnectError,
    database::{Database, OpenConnection},
    failure::unavailable_reason,
};
use crate::health::{DependencyHealth, UnavailableReason};

/// Minimum age of a pool that may be replaced.
const MIN_REPLACEMENT_AGE: Duration = Duration::from_secs(10);

/// Settings of a pool, and what successive pools share.
#[derive(Clone)]
pub struct PoolSettings {
    pub database: Database,
    /// Maximum number of connections.
    pub connections: u32,
    pub timeout: Duration,
    /// Number of failures of connections. Each connection keeps the number at its last check. If
    /// the number has changed since, the connection may be dead and is checked before its next use.
    /// Otherwise a check would cost a round trip.
    pub connection_failures: Arc<AtomicU64>,
    pub health: Arc<DependencyHealth>,
}

/// A pool of connections.
pub struct Pool {
    connections: r2d2::Pool<ConnectionManager>,
    timeout: Duration,
    created: Instant,
    waiting: AtomicUsize,
}

/// How much of a pool is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolUsage {
    pub in_use: u32,
    pub idle: u32,
    /// Maximum number of connections.
    pub max: u32,
    /// Number of requests that wait for a connection.
    pub waiting: usize,
}

impl Pool {
    pub fn new(settings: &PoolSettings) -> Self {
        let PoolSettings { database, connections, timeout, connection_failures, health } = settings;
        let manager = ConnectionManager {
            database: database.clone(),
            timeout: *timeout,
            failures: Arc::clone(connection_failures),
        };
        let reporter = ConnectErrorReporter { health: Arc::clone(health), timeout: *timeout };
        let connections = r2d2::Pool::builder()
            .max_size(*connections)
            // No connection is opened before the schema exists.
            .min_idle(Some(0))
            .connection_timeout(*timeout)
            // Costs no round trip unless a connection has failed since the last check.
            .test_on_check_out(true)
            .error_handler(Box::new(reporter))
            .build_unchecked(manager);
        let waiting = AtomicUsize::new(0);
        Self { connections, timeout: *timeout, created: Instant::now(), waiting }
    }

    /// Returns whether the pool is old enough to be replaced.
    pub fn may_be_replaced(&self) -> bool {
        self.created.elapsed() >= MIN_REPLACEMENT_AGE
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// r2d2's error, for the log, and the reason in words for an operator.
    pub fn get(&self) -> Result<PooledConnection, (r2d2::Error, UnavailableReason)> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let connection = self.connections.get();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        connection.map_err(|why| {
            let usage = self.usage();
            // The text after the colon is the error of the last attempt to open a connection.
            let reason = match why.to_string().split_once(": ") {
                Some((_, why)) => unavailable_reason(why, self.timeout),
                None if usage.in_use == usage.max => {
                    UnavailableReason::PoolExhausted(usage.max, self.timeout)
                }
                None => UnavailableReason::ConnectTimeout(self.timeout),
            };
            (why, reason)
        })
    }

    pub fn usage(&self) -> PoolUsage {
        let state = self.connections.state();
        PoolUsage {
            in_use: state.connections.saturating_sub(state.idle_connections),
            idle: state.idle_connections,
            max: self.connections.max_size(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}

/// A connection that is taken from the pool, and goes back when it is dropped.
pub type PooledConnection = r2d2::PooledConnection<ConnectionManager>;

/// A connection of the pool.
pub struct CheckedConnection {
    pub inner: OpenConnection,
    /// Whether the pool must drop the connection.
    pub is_broken: bool,
    /// Value of [`PoolSettings::connection_failures`] at the last check.
    failures_at_check: u64,
}

/// Opens, checks and drops connections.
pub struct ConnectionManager {
    database: Database,
    timeout: Duration,
    failures: Arc<AtomicU64>,
}

impl r2d2::ManageConnection for ConnectionManager {
    type Connection = CheckedConnection;
    type Error = ConnectError;

    fn connect(&self) -> Result<CheckedConnection, ConnectError> {
        let failures_at_check = self.failures.load(Ordering::Relaxed);
        let inner = self.database.connect(Some(self.timeout))?;
        Ok(CheckedConnection { inner, is_broken: false, failures_at_check })
    }

    fn is_valid(&self, connection: &mut CheckedConnection) -> Result<(), ConnectError> {
        let failures = self.failures.load(Ordering::Relaxed);
        if connection.failures_at_check != failures {
            connection.inner.ping()?;
            connection.failures_at_check = failures;
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut CheckedConnection) -> bool {
        connection.is_broken
    }
}

/// Receives r2d2's errors of attempts to open a connection. The caller that waits for a connection
/// does not always get the error.
#[derive(Debug)]
struct ConnectErrorReporter {
    health: Arc<DependencyHealth>,
    timeout: Duration,
}

impl r2d2::HandleError<ConnectError> for ConnectErrorReporter {
    fn handle_error(&self, error: ConnectError) {
        let reason = unavailable_reason(&error.to_string(), self.timeout);
        self.health.record_failure(&error, reason);
    }
}
