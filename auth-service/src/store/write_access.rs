//! Whether the database accepts writes, for `/readyz`.
//!
//! A database may answer reads and refuse writes: a standby, `default_transaction_read_only`, a
//! missing right, a full disk, a commit that waits for a standby that is gone. Some of these can be
//! read. The others show when a write fails. After such a failure, writes count as refused until a
//! probe has written: other statements that succeed may only have read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use diesel::{
    PgConnection, QueryResult, QueryableByName, prelude::*, result::DatabaseErrorKind,
    result::Error as DieselError, sql_query, sql_types::Bool,
};
use uuid::Uuid;

use super::{
    connection::{AnyConnection, ping},
    schema::write_probes::dsl::{data, id, write_probes},
};
use crate::health::DependencyHealth;

/// Number of random characters that a probe writes: more than a page of either database, so that a
/// full disk refuses them.
const PROBE_CHARS: usize = 16 * 1024;

/// What a failure of a statement may tell about other statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// The statement may only read.
    Any,
    /// The statement writes.
    Write,
    /// The statement is a probe of write access.
    Probe,
}

/// Whether the database accepts writes.
#[derive(Debug)]
pub(super) struct WriteAccess {
    pub health: DependencyHealth,
    /// Whether a write has timed out since the last probe.
    is_suspected: AtomicBool,
    /// Whether a probe is not finished. A commit may wait for hours, and each probe that waits
    /// holds a connection.
    is_probing: AtomicBool,
}

impl WriteAccess {
    pub fn new() -> Self {
        Self {
            health: DependencyHealth::new("write access to the database"),
            is_suspected: AtomicBool::new(false),
            is_probing: AtomicBool::new(false),
        }
    }

    /// Makes the next check write.
    pub fn suspect(&self) {
        self.is_suspected.store(true, Ordering::Relaxed);
    }

    /// Returns whether the next check must write.
    pub fn is_in_doubt(&self) -> bool {
        self.health.is_down() || self.is_suspected.load(Ordering::Relaxed)
    }

    /// Records that a probe has written.
    pub fn record_success(&self) {
        self.is_suspected.store(false, Ordering::Relaxed);
        self.health.record_success();
    }
}

/// Marks the probe as unfinished until it is dropped.
pub(super) struct ProbeGuard(Arc<WriteAccess>);

impl ProbeGuard {
    /// Returns `None` if another probe is not finished.
    pub fn new(access: &Arc<WriteAccess>) -> Option<Self> {
        let is_probing = access.is_probing.swap(true, Ordering::AcqRel);
        (!is_probing).then(|| Self(Arc::clone(access)))
    }
}

impl Drop for ProbeGuard {
    fn drop(&mut self) {
        self.0.is_probing.store(false, Ordering::Release);
    }
}

/// Writes a row and removes it.
pub(super) fn write_and_remove(connection: &mut AnyConnection) -> QueryResult<()> {
    let probe = Uuid::new_v4().to_string();
    // Random, because PostgreSQL compresses long values.
    let random: String = std::iter::repeat_with(|| Uuid::new_v4().simple().to_string())
        .take(PROBE_CHARS / 32)
        .collect();
    diesel::insert_into(write_probes)
        .values((id.eq(&probe), data.eq(random)))
        .execute(connection)?;
    diesel::delete(write_probes.find(probe)).execute(connection).map(drop)
}

#[derive(QueryableByName)]
struct Rights {
    #[diesel(sql_type = Bool)]
    is_read_only: bool,
    #[diesel(sql_type = Bool)]
    has_rights: bool,
}

/// The rights without which no user can register, log in or log out.
const RIGHTS_QUERY: &str = "SELECT current_setting('transaction_read_only')::bool AS is_read_only, \
     (SELECT bool_and(has_table_privilege(needed.name, needed.privilege)) FROM (VALUES \
     ('users', 'SELECT'), ('users', 'INSERT'), ('users', 'UPDATE'), \
     ('credentials', 'SELECT'), ('credentials', 'INSERT'), ('credentials', 'UPDATE'), \
     ('sessions', 'SELECT'), ('sessions', 'INSERT'), ('sessions', 'UPDATE'), \
     ('audit_events', 'INSERT')) AS needed (name, privilege)) AS has_rights";

/// Checks that the database answers and, for PostgreSQL, whether its settings and rights let this
/// process write. Writes nothing.
pub(super) fn check_rights(connection: &mut AnyConnection) -> QueryResult<()> {
    let AnyConnection::Postgres(postgres) = connection else { return ping(connection) };
    let Rights { is_read_only, has_rights } = rights(postgres)?;
    // As PostgreSQL would answer a write: the connection is then given up, because after a
    // failover another server may accept writes.
    let refused = |why: &str| {
        let kind = DatabaseErrorKind::ReadOnlyTransaction;
        Err(DieselError::DatabaseError(kind, Box::new(why.to_owned())))
    };
    match (is_read_only, has_rights) {
        (true, _) => refused("transactions are read-only"),
        (false, false) => refused("permission denied for a table"),
        (false, true) => Ok(()),
    }
}

fn rights(postgres: &mut PgConnection) -> QueryResult<Rights> {
    sql_query(RIGHTS_QUERY).get_result(postgres)
}
