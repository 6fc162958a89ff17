//! Connections for bulk work of an operator, such as an import. Each is separate from the pool, and
//! has no time limit.

use std::time::Duration;

use diesel::{QueryResult, result::Error as DieselError};

use super::{
    AnyConnection, Database, Store, StoreError, audit,
    database::OpenConnection,
    failure::{is_deadlock, is_outage, unavailable_reason},
};
use crate::{audit_log, domain::audit::AuditRecord};

/// A connection for bulk work. It blocks the thread that uses it.
pub struct BulkConnection {
    connection: OpenConnection,
    store: Store,
}

/// Error returned when a transaction of a bulk connection is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// The transaction and another one waited for each other. A retry may succeed.
    #[error("the transaction deadlocked with another one")]
    Deadlock,
    /// The work asked for the rollback.
    #[error("the transaction was rolled back")]
    RolledBack,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Opens a connection for bulk work. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason in the log.
    pub fn open_bulk(&self) -> Result<BulkConnection, StoreError> {
        if !self.is_migrated() {
            return Err(StoreError::Unavailable);
        }
        let opened = self.settings.database.connect(None);
        let connection = opened.map_err(|why| self.bulk_failure(&why.to_string()))?;
        Ok(BulkConnection { connection, store: self.clone() })
    }

    /// Returns whether several bulk connections can write at once.
    pub fn has_parallel_writers(&self) -> bool {
        matches!(self.settings.database, Database::Postgres(_))
    }

    /// Records a failure of a bulk connection.
    fn bulk_failure(&self, why: &str) -> StoreError {
        let reason = unavailable_reason(why, Duration::ZERO);
        self.settings.health.record_failure(&why, reason);
        StoreError::Unavailable
    }
}

impl BulkConnection {
    /// Runs `change` in a transaction together with the insert of the record that it returns, as
    /// [`Store::audited`] does. `DieselError::RollbackTransaction` rolls the transaction back.
    ///
    /// # Errors
    /// [`BulkError`].
    pub fn audited<T>(
        &mut self,
        change: impl FnOnce(&mut AnyConnection) -> QueryResult<(T, Option<AuditRecord>)>,
    ) -> Result<T, BulkError> {
        let outcome = self.connection.transaction(|connection| {
            let (answer, record) = change(connection)?;
            record.iter().try_for_each(|record| audit::insert(connection, record))?;
            Ok((answer, record))
        });
        let (answer, record) = outcome.map_err(|why| self.error(why))?;
        record.iter().for_each(audit_log::write);
        Ok(answer)
    }

    /// Runs queries in a transaction that changes nothing.
    ///
    /// # Errors
    /// [`BulkError`].
    pub fn read<T>(
        &mut self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, BulkError> {
        self.audited(|connection| query(connection).map(|answer| (answer, None)))
    }

    fn error(&self, why: DieselError) -> BulkError {
        match why {
            DieselError::RollbackTransaction => BulkError::RolledBack,
            why if is_deadlock(&why) => BulkError::Deadlock,
            why if is_outage(&why) => self.store.bulk_failure(&why.to_string()).into(),
            why => StoreError::Query(why).into(),
        }
    }
}
