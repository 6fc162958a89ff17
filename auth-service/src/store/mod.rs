//! Users and sessions in SQL: PostgreSQL or SQLite, one set of queries for both (diesel, r2d2).
//!
//! Nothing here decides: it reads and writes rows. Queries run on threads for blocking work, and none of them keeps
//! a request waiting beyond the time limit.

pub mod audit;
pub mod clients;
mod connection;
#[cfg(test)]
mod contract;
pub mod credentials;
pub mod examine;
mod failure;
mod migrate;
mod pool;
pub mod schema;
pub mod sessions;
pub mod signing_keys;
mod user_lock;
pub mod users;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
pub use connection::{AnyConnection, Database, DatabaseUrl, with_cleanup_lock};
use connection::{Failures, in_transaction, insert_unless_exists};
use diesel::{QueryResult, result::Error as DieselError};
pub use failure::Failure;
use failure::{is_outage, reason, too_late};
pub use pool::Usage;
use pool::{Plan, Pool};
use service_kit::{metrics::Counters, traces};
use tokio::sync::SetOnce;

use crate::{
    audit_log,
    domain::audit::AuditRecord,
    health::{DependencyHealth, UnavailableReason},
};

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

/// Access to the database. Clones share one pool.
#[derive(Clone)]
pub struct Store {
    plan: Plan,
    pool: Arc<ArcSwap<Pool>>,
    migrated: Arc<SetOnce<()>>,
    /// Whether the schema is being worked on, or waited for, just now.
    migrating: Arc<AtomicBool>,
    health: Arc<DependencyHealth>,
    timeout: Duration,
    /// RequestMetrics that the database failed, by [`Failure`].
    failed: Counters<1>,
}

/// Why a query failed.
enum Failed {
    Database(Failure),
    Query(DieselError),
}

impl Store {
    /// A pool of up to `connections` connections. It need not reach the database yet: until [`Store::migrate`] has
    /// succeeded, every query is answered with [`StoreError::Unavailable`].
    pub fn new(database: Database, connections: u32, timeout: Duration) -> Self {
        let health = Arc::new(DependencyHealth::new("the database"));
        let plan = Plan {
            database,
            connections,
            timeout,
            failures: Failures::default(),
            health: Arc::clone(&health),
        };
        let pool = Arc::new(ArcSwap::from_pointee(Pool::new(&plan)));
        let (migrated, migrating) = (Arc::default(), Arc::default());
        Self { plan, pool, migrated, migrating, health, timeout, failed: Counters::default() }
    }

    /// RequestMetrics that the database failed, by [`Failure`], as they are counted here.
    pub fn failed(&self) -> &Counters<1> {
        &self.failed
    }

    /// How much of the pool is in use.
    pub fn usage(&self) -> Usage {
        self.pool.load().usage()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), UnavailableReason> {
        match self.run(sessions::ping).await {
            Ok(()) => Ok(()),
            Err(_) if self.migrating.load(Ordering::Acquire) => {
                Err(UnavailableReason::Text("the schema is being migrated"))
            }
            Err(_) => Err(self.health.reason().unwrap_or(UnavailableReason::Text("not reached yet"))),
        }
    }

    /// Leaves a pool whose connections do not answer to itself, and opens another: nothing can take a connection from
    /// a thread that waits for it. The old one ends with the last of those threads.
    fn renew(&self, stuck: &Arc<Pool>) {
        if stuck.may_be_renewed() && Arc::ptr_eq(&self.pool.load(), stuck) {
            self.pool.store(Arc::new(Pool::new(&self.plan)));
        }
    }

    /// Brings the schema up to date, under a lock, so that many processes may do it at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason in the log.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let (database, migrating) = (self.plan.database.clone(), Arc::clone(&self.migrating));
        let done = tokio::task::spawn_blocking(move || migrate::run(&database, &migrating)).await;
        self.migrating.store(false, Ordering::Release);
        let why = match done {
            Ok(Ok(())) => {
                self.health.record_success();
                // It may have been so before.
                let _ = self.migrated.set(());
                return Ok(());
            }
            Ok(Err(why)) => why.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        self.health.record_failure(&why, reason(&why, self.timeout));
        Err(StoreError::Unavailable)
    }

    /// Whether the schema is known to be up to date.
    pub fn is_migrated(&self) -> bool {
        self.migrated.initialized()
    }

    /// Waits this long; while the schema is not known to be up to date, only until it is.
    pub async fn pause(&self, pause: Duration) {
        if self.is_migrated() {
            tokio::time::sleep(pause).await;
        } else {
            let _ = tokio::time::timeout(pause, self.migrated.wait()).await;
        }
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
        let part = traces::span("database");
        let (this, pool) = (self.clone(), self.pool.load_full());
        let used = Arc::clone(&pool);
        let deadline = Instant::now() + self.timeout;
        let work = tokio::task::spawn_blocking(move || this.run_blocking(&used, deadline, query));
        let failure = match tokio::time::timeout(self.timeout, work).await {
            Ok(Ok(Ok(answer))) => return Ok(answer),
            Ok(Ok(Err(Failed::Query(why)))) => {
                let outcome = Err(StoreError::Query(why));
                part.end(&outcome);
                return outcome;
            }
            Ok(Ok(Err(Failed::Database(failure)))) => failure,
            Ok(Err(panicked)) => {
                self.health.record_failure(&panicked, UnavailableReason::Text("a query panicked"));
                Failure::Error
            }
            Err(_) => {
                self.renew(&pool);
                self.health.record_failure(&"no answer in time", UnavailableReason::Timeout(self.timeout));
                Failure::NoAnswer
            }
        };
        self.failed.get_or_create(&[("kind", failure.name())]).inc();
        let outcome = Err(StoreError::Unavailable);
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
        change: impl FnOnce(&mut AnyConnection) -> QueryResult<(T, Option<AuditRecord>)> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let remembered = move |connection: &mut AnyConnection| {
            let (answer, record) = in_transaction(connection, |connection| {
                let (answer, record) = change(connection)?;
                record.iter().try_for_each(|record| audit::insert(connection, record))?;
                // Nobody waits any more: they have been told that it failed.
                if Instant::now() < deadline { Ok((answer, record)) } else { Err(too_late()) }
            })?;
            record.iter().for_each(audit_log::write);
            Ok(answer)
        };
        self.run(remembered).await
    }

    /// Remembers what changed nothing, such as a login that failed. The log says so in any case.
    pub async fn remember(&self, record: AuditRecord) {
        audit_log::write(&record);
        let insert = move |connection: &mut AnyConnection| audit::insert(connection, &record);
        // The reason is in the log.
        let _ = self.run(insert).await;
    }

    fn run_blocking<T>(
        &self,
        pool: &Pool,
        deadline: Instant,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, Failed> {
        let mut connection = pool.get().map_err(|(why, reason)| {
            self.health.record_failure(&why, reason);
            Failed::Database(Failure::NoConnection)
        })?;
        if Instant::now() >= deadline {
            // It would come as a surprise.
            return Err(Failed::Database(Failure::NoAnswer));
        }
        // Should it panic, nobody knows what the connection is in the middle of.
        connection.broken = true;
        let outcome = query(&mut connection.inner);
        connection.broken = false;
        match outcome {
            Ok(answer) => {
                self.health.record_success();
                Ok(answer)
            }
            Err(why) if is_outage(&why) => {
                connection.broken = true;
                self.plan.failures.fetch_add(1, Ordering::Relaxed);
                self.health.record_failure(&why, reason(&why.to_string(), self.timeout));
                Err(Failed::Database(Failure::Error))
            }
            Err(why) => Err(Failed::Query(why)),
        }
    }
}
