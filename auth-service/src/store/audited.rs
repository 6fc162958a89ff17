//! Several changes in one transaction, each with its record in the audit trail.

use std::time::Instant;

use diesel::{QueryResult, result::Error as DieselError};

use super::{
    AnyConnection, Recorder, Store, StoreError, database::OpenConnection, failure::timed_out,
    write_access::Access,
};
use crate::{audit_log, domain::audit::AuditRecord};

type Change = Box<dyn FnOnce(&mut AnyConnection) -> QueryResult<bool> + Send>;

/// A change, and the record that the audit trail gets if the change takes place.
pub struct RecordedChange {
    record: AuditRecord,
    change: Change,
}

impl RecordedChange {
    /// Creates a change. `change` returns whether it took place.
    pub fn new(
        record: AuditRecord,
        change: impl FnOnce(&mut AnyConnection) -> QueryResult<bool> + Send + 'static,
    ) -> Self {
        Self { record, change: Box::new(change) }
    }

    fn perform(
        self,
        connection: &mut AnyConnection,
        recorder: &Recorder,
    ) -> QueryResult<AuditRecord> {
        let Self { record, change } = self;
        if !change(connection)? {
            return Err(DieselError::RollbackTransaction);
        }
        recorder.record(connection, &record)?;
        Ok(record)
    }
}

impl Store {
    /// Performs all of these changes in one transaction, in their order, or none of them. Returns
    /// `false` if one of them did not take place: then nothing has changed. The log gets the
    /// records after the commit.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn audited_all(&self, changes: Vec<RecordedChange>) -> Result<bool, StoreError> {
        let deadline = Instant::now() + self.settings.timeout;
        let recorder = self.recorder();
        let perform = move |connection: &mut OpenConnection| {
            let performed = connection.transaction(|connection| {
                let performed =
                    changes.into_iter().map(|change| change.perform(connection, &recorder));
                let records: Vec<AuditRecord> = performed.collect::<QueryResult<_>>()?;
                // After the deadline the caller already has an error, so the changes are rolled
                // back.
                if Instant::now() < deadline { Ok(records) } else { Err(timed_out()) }
            });
            match performed {
                Ok(records) => {
                    records.iter().for_each(audit_log::write);
                    Ok(true)
                }
                Err(DieselError::RollbackTransaction) => Ok(false),
                Err(why) => Err(why),
            }
        };
        self.perform(Access::Write, perform).await
    }
}
