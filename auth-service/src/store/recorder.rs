//! Messages that are written in the transaction of the change that they tell of.

use std::sync::Arc;

use diesel::QueryResult;

use super::{
    AnyConnection, audit,
    webhook_messages::{self, NewMessage},
};
use crate::domain::audit::{AuditEvent, AuditRecord};

/// Turns records of the audit trail into messages.
pub trait RecordObserver: Send + Sync {
    /// Returns whether a record of this event may have messages.
    fn watches(&self, event: AuditEvent) -> bool;

    /// Returns the messages about a record.
    ///
    /// # Errors
    /// If the receivers are not known yet and the database does not answer, or if messages cannot be
    /// sealed.
    fn messages(
        &self,
        connection: &mut AnyConnection,
        record: &AuditRecord,
    ) -> QueryResult<Vec<NewMessage>>;
}

/// Writes messages about records. Without an observer, it writes nothing.
#[derive(Clone, Default)]
pub struct Recorder(Option<Arc<dyn RecordObserver>>);

impl Recorder {
    pub(super) fn new(observer: Option<Arc<dyn RecordObserver>>) -> Self {
        Self(observer)
    }

    /// Returns whether a record of this event may have messages. If it has none, a change needs no
    /// transaction for them.
    pub fn watches(&self, event: AuditEvent) -> bool {
        self.0.as_ref().is_some_and(|observer| observer.watches(event))
    }

    /// Inserts a record into the audit trail, and writes the messages about it, within the
    /// transaction of the caller.
    pub(super) fn record(
        &self,
        connection: &mut AnyConnection,
        record: &AuditRecord,
    ) -> QueryResult<()> {
        audit::insert(connection, record)?;
        self.write(connection, record)
    }

    /// Writes the messages about a record, within the transaction of the caller.
    pub fn write(&self, connection: &mut AnyConnection, record: &AuditRecord) -> QueryResult<()> {
        let Some(observer) = self.0.as_ref().filter(|observer| observer.watches(record.event))
        else {
            return Ok(());
        };
        let messages = observer.messages(connection, record)?;
        messages.iter().try_for_each(|message| webhook_messages::insert(connection, message))
    }
}
