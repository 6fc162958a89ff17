//! An operator reserves usernames, beyond those of the setting RESERVED_NAMES.

use super::admin::{AdminError, UserAdmin};
pub use crate::store::reserved_names::ReservedName;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord},
        username::Username,
    },
    store::{RecordedChange, reserved_names},
};

impl UserAdmin {
    /// Returns the names that operators reserved, in their order.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn reserved_names(&self) -> Result<Vec<ReservedName>, AdminError> {
        Ok(self.store.run(reserved_names::all).await?)
    }

    /// Returns the change that reserves a name. A user who has the name keeps it.
    pub fn reservation(&self, name: &Username) -> RecordedChange {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::NameReserved, self.initiator.clone(), now);
        let record = record.detail(name.as_str());
        let name = name.clone();
        RecordedChange::new(record, move |connection| reserved_names::put(connection, &name, now))
    }

    /// Returns the change that releases a name.
    pub fn release(&self, reserved: &ReservedName) -> RecordedChange {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::NameReleased, self.initiator.clone(), now);
        let record = record.detail(&reserved.name);
        let name = reserved.name.clone();
        RecordedChange::new(record, move |connection| reserved_names::delete(connection, &name))
    }
}
