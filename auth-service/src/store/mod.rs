//! Rows in SQL: PostgreSQL or SQLite, one set of queries for both (diesel, r2d2).
//!
//! This room reads and writes rows, and decides nothing. Queries run on threads for blocking work.
//! No query keeps a request waiting longer than the time limit.
//!
//! | module | content |
//! |---|---|
//! | [`users`], [`credentials`], [`sessions`] | the queries of these tables |
//! | [`signing_keys`], [`clients`], [`audit`] | the queries of these tables |
//! | [`one_time_codes`], [`invitations`], [`reserved_names`] | the queries of these tables |
//! | [`outbox`], [`address_mails`] | the queries of these tables |
//! | [`webhooks`], [`webhook_messages`] | the queries of these tables |
//! | `recorder` | messages in the transaction of the change that they tell of |
//! | [`export`] | everything that is stored about a user |
//! | [`import`], `bulk` | imports and exports of many users, and connections for them |
//! | [`schema`], `schema_access`, `migrate`, `applied` | the tables, and the migrations that create them |
//! | `connection_string`, `database`, `connection` | a database, and connections to it |
//! | `pooler` | poolers between this process and PostgreSQL |
//! | `transaction`, `user_lock` | transactions and locks |
//! | `audited` | several changes and their audit events in one transaction |
//! | `pool` | the pool of connections |
//! | `failure` | how a query fails, and the reason in words for an operator |
//! | [`server_clock`] | the clock of the database server |
//! | `check`, `write_access` | whether the database answers, and accepts writes |
//! | [`examine`] | examines a database, for `auth-service doctor` |

pub mod address_mails;
mod applied;
pub mod audit;
mod audited;
mod bulk;
mod check;
pub mod clients;
mod connection;
mod connection_string;
#[cfg(test)]
mod contract;
pub mod credentials;
mod database;
pub mod examine;
pub mod export;
mod failure;
pub mod import;
pub mod invitations;
mod migrate;
pub mod one_time_codes;
pub mod outbox;
mod pool;
mod pooler;
mod recorder;
pub mod reserved_names;
pub mod schema;
mod schema_access;
pub mod server_clock;
pub mod sessions;
pub mod signing_keys;
mod transaction;
mod user_lock;
pub mod users;
pub mod webhook_messages;
pub mod webhooks;
mod write_access;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use diesel::QueryResult;
use service_kit::{metrics::Counters, traces};
use tokio::sync::SetOnce;

pub use self::{
    applied::Missing,
    audited::RecordedChange,
    bulk::{BulkConnection, BulkError},
    connection::{AnyConnection, ping},
    connection_string::ConnectionString,
    database::Database,
    failure::{FailureKind, StoreError},
    pool::PoolUsage,
    recorder::{RecordObserver, Recorder},
    transaction::with_cleanup_lock,
};
use self::{
    database::OpenConnection,
    failure::{QueryError, is_outage, timed_out, unavailable_reason},
    pool::{Pool, PoolSettings},
    write_access::{Access, WriteAccess},
};
use crate::{
    audit_log,
    domain::audit::AuditRecord,
    health::{DependencyHealth, UnavailableReason},
};

/// Access to the database. Clones share one pool.
#[derive(Clone)]
pub struct Store {
    settings: PoolSettings,
    pool: Arc<ArcSwap<Pool>>,
    migrated: Arc<SetOnce<()>>,
    /// Whether a migration runs, or waits for the migration of another process.
    is_migrating: Arc<AtomicBool>,
    /// Why the database can never be used as it is.
    refusal: Arc<SetOnce<String>>,
    write_access: Arc<WriteAccess>,
    /// Turns records of the audit trail into messages.
    observer: Arc<SetOnce<Arc<dyn RecordObserver>>>,
    /// Number of requests that the database failed, by [`FailureKind`].
    failures: Counters<1>,
}

impl Store {
    /// Creates a pool of up to `connections` connections. The database need not be reachable yet:
    /// until [`Store::migrate`] has succeeded, every query fails with [`StoreError::Unavailable`].
    pub fn new(database: Database, connections: u32, timeout: Duration) -> Self {
        let settings = PoolSettings {
            database,
            connections,
            timeout,
            connection_failures: Arc::default(),
            health: Arc::new(DependencyHealth::new("the database")),
        };
        Self {
            pool: Arc::new(ArcSwap::from_pointee(Pool::new(&settings))),
            settings,
            migrated: Arc::default(),
            is_migrating: Arc::default(),
            refusal: Arc::default(),
            write_access: Arc::new(WriteAccess::new()),
            observer: Arc::default(),
            failures: Counters::default(),
        }
    }

    /// Lets an observer write messages in the transactions of audited changes. The first one stays.
    pub fn observe(&self, observer: Arc<dyn RecordObserver>) {
        // Fails if there is one.
        let _ = self.observer.set(observer);
    }

    /// Returns what writes the messages about a record.
    pub fn recorder(&self) -> Recorder {
        Recorder::new(self.observer.get().cloned())
    }

    /// Returns the counter of requests that the database failed, by [`FailureKind`].
    pub fn failures(&self) -> &Counters<1> {
        &self.failures
    }

    /// Returns how much of the pool is in use.
    pub fn usage(&self) -> PoolUsage {
        self.pool.load().usage()
    }

    /// Returns whether [`Store::migrate`] has succeeded.
    pub fn is_migrated(&self) -> bool {
        self.migrated.initialized()
    }

    /// Waits for `pause`, or until [`Store::migrate`] has succeeded for the first time.
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
        let query = move |connection: &mut OpenConnection| connection.run(query);
        self.perform(Access::Any, query).await
    }

    async fn perform<T: Send + 'static>(
        &self,
        access: Access,
        work: impl FnOnce(&mut OpenConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if !self.is_migrated() {
            return Err(StoreError::Unavailable);
        }
        let span = traces::span("database");
        let outcome = self.run_in_time(access, work).await.map_err(|why| match why {
            QueryError::Query(why) => StoreError::Query(why),
            QueryError::Database(kind) => {
                self.failures.get_or_create(&[("kind", kind.name())]).inc();
                StoreError::Unavailable
            }
        });
        span.end(&outcome);
        outcome
    }

    /// Runs `change` in a transaction together with the insert of the records that it returns, none
    /// or one as an `Option`: the audit trail has the records if and only if the database has the
    /// change. The log gets the records after the commit.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn audited<T: Send + 'static, R: IntoIterator<Item = AuditRecord>>(
        &self,
        change: impl FnOnce(&mut AnyConnection) -> QueryResult<(T, R)> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.settings.timeout;
        let recorder = self.recorder();
        let audited = move |connection: &mut OpenConnection| {
            let (answer, records) = connection.transaction(|connection| {
                let (answer, records) = change(connection)?;
                let records: Vec<AuditRecord> = records.into_iter().collect();
                records.iter().try_for_each(|record| recorder.record(connection, record))?;
                // After the deadline the client already has a 503, so the change is rolled back.
                if Instant::now() < deadline { Ok((answer, records)) } else { Err(timed_out()) }
            })?;
            records.iter().for_each(audit_log::write);
            Ok(answer)
        };
        self.perform(Access::Write, audited).await
    }

    /// As [`Store::audited`], for a change that returns whether it took place. The audit trail gets
    /// the record if it did.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn audited_if(
        &self,
        record: AuditRecord,
        change: impl FnOnce(&mut AnyConnection) -> QueryResult<bool> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let audited = move |connection: &mut _| {
            let is_changed = change(connection)?;
            Ok((is_changed, is_changed.then_some(record)))
        };
        self.audited(audited).await
    }

    /// Records an event that changes nothing, such as a failed login. The log gets the record even
    /// if the database is unreachable.
    pub async fn record_event(&self, record: AuditRecord) {
        audit_log::write(&record);
        let insert = move |connection: &mut AnyConnection| audit::insert(connection, &record);
        // The log has the reason of a failure.
        let _ = self.run(insert).await;
    }

    async fn run_in_time<T: Send + 'static>(
        &self,
        access: Access,
        query: impl FnOnce(&mut OpenConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, QueryError> {
        let timeout = self.settings.timeout;
        let deadline = Instant::now() + timeout;
        let health = &self.settings.health;
        let pool = self.pool.load_full();
        let used = Arc::clone(&pool);
        let this = self.clone();
        let work = tokio::task::spawn_blocking(move || this.run_blocking(&used, deadline, query));
        match tokio::time::timeout(timeout, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => {
                health.record_failure(&panicked, UnavailableReason::Text("a query panicked"));
                Err(QueryError::Database(FailureKind::Error))
            }
            Err(_) => {
                self.replace_stuck(&pool);
                self.record_timeout(access);
                Err(QueryError::Database(FailureKind::NoAnswer))
            }
        }
    }

    fn record_timeout(&self, access: Access) {
        let reason = UnavailableReason::Timeout(self.settings.timeout);
        let health = match access {
            Access::Probe => &self.write_access.health,
            // The log has the reason already.
            Access::Write if self.write_access.health.is_down() => return,
            Access::Any | Access::Write => &self.settings.health,
        };
        health.record_failure(&"no answer in time", reason);
        if access == Access::Write {
            self.write_access.suspect();
        }
    }

    /// Replaces a pool whose connections do not answer: a connection cannot be taken from a thread
    /// that waits for its answer. The old pool is dropped with the last of these threads.
    fn replace_stuck(&self, stuck: &Arc<Pool>) {
        if stuck.may_be_replaced() && Arc::ptr_eq(&self.pool.load(), stuck) {
            self.pool.store(Arc::new(Pool::new(&self.settings)));
        }
    }

    fn run_blocking<T>(
        &self,
        pool: &Pool,
        deadline: Instant,
        query: impl FnOnce(&mut OpenConnection) -> QueryResult<T>,
    ) -> Result<T, QueryError> {
        let PoolSettings { health, timeout, connection_failures, .. } = &self.settings;
        let mut connection = pool.get().map_err(|(why, reason)| {
            health.record_failure(&why, reason);
            QueryError::Database(FailureKind::NoConnection)
        })?;
        if Instant::now() >= deadline {
            // The client already has a 503, so the query must not take effect.
            return Err(QueryError::Database(FailureKind::NoAnswer));
        }
        // If the query panics, the connection may be inside a transaction.
        connection.is_broken = true;
        let outcome = query(&mut connection.inner);
        connection.is_broken = false;
        match outcome {
            Ok(answer) => {
                health.record_success();
                Ok(answer)
            }
            Err(why) if is_outage(&why) => {
                connection.is_broken = true;
                connection_failures.fetch_add(1, Ordering::Relaxed);
                if self.settings.database.reveals_pooler(&why) {
                    self.pool.store(Arc::new(Pool::new(&self.settings)));
                }
                let reason = unavailable_reason(&why.to_string(), *timeout);
                let health = match reason {
                    UnavailableReason::WritesRefused(_) => &self.write_access.health,
                    _ => health,
                };
                health.record_failure(&why, reason);
                Err(QueryError::Database(FailureKind::Error))
            }
            Err(why) => Err(QueryError::Query(why)),
        }
    }
}
