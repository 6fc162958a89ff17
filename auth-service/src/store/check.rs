//! Checks of the database, for `/readyz`.

use std::sync::atomic::Ordering;

use super::{
    Store, StoreError,
    database::OpenConnection,
    write_access::{Access, ProbeGuard, check_rights, write_and_remove},
};
use crate::health::UnavailableReason;

impl Store {
    /// Checks that the database answers, and accepts writes as far as is known.
    ///
    /// # Errors
    /// The reason why it does not, for `/readyz`.
    pub async fn check(&self) -> Result<(), UnavailableReason> {
        let outcome = if self.write_access.is_in_doubt() {
            self.probe().await
        } else {
            self.run(check_rights).await
        };
        outcome.map_err(|_| {
            if self.is_migrating.load(Ordering::Acquire) {
                return UnavailableReason::Text("the schema is being migrated");
            }
            self.failure_reason().unwrap_or(UnavailableReason::Text("not reached yet"))
        })
    }

    /// Returns why the last statement failed. `None` if it succeeded, and writes are not refused.
    pub fn failure_reason(&self) -> Option<UnavailableReason> {
        let reason = self.settings.health.reason();
        reason.or_else(|| self.write_access.health.reason())
    }

    /// Checks that the database accepts a write.
    async fn probe(&self) -> Result<(), StoreError> {
        let Some(guard) = ProbeGuard::new(&self.write_access) else {
            return Err(StoreError::Unavailable);
        };
        let probe = move |connection: &mut OpenConnection| {
            let _guard = guard;
            connection.transaction(|connection| {
                check_rights(connection)?;
                write_and_remove(connection)
            })
        };
        self.perform(Access::Probe, probe).await?;
        self.write_access.record_success();
        Ok(())
    }
}
