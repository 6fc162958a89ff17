//! Users and sessions in SQL: PostgreSQL or SQLite, one set of queries for both (diesel, r2d2).
//!
//! Nothing here decides: it reads and writes rows. Queries run on threads for blocking work, and none of them keeps
//! a request waiting beyond the time limit.

pub mod audit;
pub mod clients;
mod connection;
#[cfg(test)]
mod contract;
mod migrate;
pub mod schema;
pub mod sessions;
pub mod signing_keys;
pub mod users;

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
pub use connection::{AnyConnection, Database, only_one};
use connection::{Failures, Manager, ReportTo, in_transaction, unless_there};
use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error as DieselError},
};
use shared::service::traces;

use crate::{domain::audit::Record, health::Health};

/// Why a query gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is out of reach, too slow, or refuses to work: it may be tried again later.
    #[error("the database is not available")]
    Unavailable,
    /// The query is wrong, or broke a constraint that its caller did not expect.
    #[error(transparent)]
    Query(DieselError),
}

/// The least time between two pools.
const RENEWAL: Duration = Duration::from_secs(10);

/// Access to the database. Clones share one pool.
#[derive(Clone)]
pub struct Store {
    database: Database,
    connections: u32,
    pool: Arc<ArcSwap<Pool>>,
    failures: Failures,
    migrated: Arc<AtomicBool>,
    health: Arc<Health>,
    timeout: Duration,
}

impl Store {
    /// A pool of up to `connections` connections. It need not reach the database yet: until [`Store::migrate`] has
    /// succeeded, every query is answered with [`StoreError::Unavailable`].
    pub fn new(database: Database, connections: u32, timeout: Duration) -> Self {
        let health = Arc::new(Health::new("the database"));
        let failures = Failures::default();
        let pool = new_pool(&database, connections, timeout, &failures, &health);
        let pool = Arc::new(ArcSwap::from_pointee(pool));
        Self { database, connections, pool, failures, migrated: Arc::default(), health, timeout }
    }

    /// Leaves a pool whose connections do not answer to itself, and opens another: nothing can take a connection from
    /// a thread that waits for it. The old one ends with the last of those threads.
    fn renew(&self, stuck: &Arc<Pool>) {
        if stuck.began.elapsed() >= RENEWAL && Arc::ptr_eq(&self.pool.load(), stuck) {
            let pool = new_pool(&self.database, self.connections, self.timeout, &self.failures, &self.health);
            self.pool.store(Arc::new(pool));
        }
    }

    /// Brings the schema up to date, under a lock, so that many processes may do it at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason in the log.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let database = self.database.clone();
        let done = tokio::task::spawn_blocking(move || migrate::run(&database));
        match done.await {
            Ok(Ok(())) => {
                self.health.is_up();
                self.migrated.store(true, Ordering::Release);
                Ok(())
            }
            Ok(Err(why)) => Err(self.unavailable(&why)),
            Err(panicked) => Err(self.unavailable(&panicked)),
        }
    }

    /// Whether the schema is known to be up to date.
    pub fn is_migrated(&self) -> bool {
        self.migrated.load(Ordering::Acquire)
    }

    /// Runs `query` with a connection of the pool.
    ///
    /// # Errors
    /// [`StoreError`]. After [`StoreError::Unavailable`] a write may or may not have taken place.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if !self.is_migrated() {
            return Err(StoreError::Unavailable);
        }
        let part = traces::part("database");
        let (this, pool) = (self.clone(), self.pool.load_full());
        let used = Arc::clone(&pool);
        let work = tokio::task::spawn_blocking(move || this.run_blocking(&used, query));
        let outcome = match tokio::time::timeout(self.timeout, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(self.unavailable(&panicked)),
            Err(_) => {
                self.renew(&pool);
                Err(self.unavailable(&"no answer in time"))
            }
        };
        part.end(&outcome);
        outcome
    }

    /// Runs `change` in a transaction, and remembers it: the record that it returns is in the audit trail when, and only
    /// when, the change is in the database. Then the log says so, too.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn audited<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut AnyConnection) -> QueryResult<(T, Option<Record>)> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let remembered = move |connection: &mut AnyConnection| {
            let (answer, record) = in_transaction(connection, |connection| {
                let (answer, record) = change(connection)?;
                record.iter().try_for_each(|record| audit::insert(connection, record))?;
                // Nobody waits any more: they have been told that it failed.
                if Instant::now() < deadline { Ok((answer, record)) } else { Err(too_late()) }
            })?;
            record.iter().for_each(Record::log);
            Ok(answer)
        };
        self.run(remembered).await
    }

    /// Remembers what changed nothing, such as a login that failed. The log says so in any case.
    pub async fn remember(&self, record: Record) {
        record.log();
        let insert = move |connection: &mut AnyConnection| audit::insert(connection, &record);
        // The reason is in the log.
        let _ = self.run(insert).await;
    }

    fn run_blocking<T>(
        &self,
        pool: &Pool,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let mut connection = pool.connections.get().map_err(|why| self.unavailable(&why))?;
        // Should it panic, nobody knows what the connection is in the middle of.
        connection.broken = true;
        let outcome = query(&mut connection.inner);
        connection.broken = false;
        match outcome {
            Ok(answer) => {
                self.health.is_up();
                Ok(answer)
            }
            Err(why) if is_outage(&why) => {
                connection.broken = true;
                self.failures.fetch_add(1, Ordering::Relaxed);
                Err(self.unavailable(&why))
            }
            Err(why) => Err(StoreError::Query(why)),
        }
    }

    fn unavailable(&self, why: &dyn Display) -> StoreError {
        self.health.is_down(why);
        StoreError::Unavailable
    }
}

struct Pool {
    connections: r2d2::Pool<Manager>,
    began: Instant,
}

fn new_pool(
    database: &Database,
    connections: u32,
    timeout: Duration,
    failures: &Failures,
    health: &Arc<Health>,
) -> Pool {
    let manager = Manager { database: database.clone(), limit: timeout, failures: Arc::clone(failures) };
    let connections = r2d2::Pool::builder()
        .max_size(connections)
        // None is opened before the schema is there.
        .min_idle(Some(0))
        .connection_timeout(timeout)
        // Costs no round trip unless a connection has failed since the last check.
        .test_on_check_out(true)
        .error_handler(Box::new(ReportTo(Arc::clone(health))))
        .build_unchecked(manager);
    Pool { connections, began: Instant::now() }
}

fn too_late() -> DieselError {
    DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new("it took too long".to_owned()))
}

/// Whether it is the database that failed, and not the query: lost connections, time limits, a full disk, a lock.
fn is_outage(error: &DieselError) -> bool {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation};
    match error {
        DieselError::DatabaseError(kind, _) => {
            !matches!(kind, UniqueViolation | ForeignKeyViolation | NotNullViolation | CheckViolation)
        }
        DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. } => true,
        _ => false,
    }
}
