//! Writes to the database in batches: the last use of sessions and credentials, and the ends of
//! sessions that the database could not take at once.

use super::Sessions;
use crate::{
    domain::session::EndCause,
    store::{StoreError, credentials, sessions as rows},
};

/// Maximum number of rows in one write.
const BATCH: usize = 1000;

impl Sessions {
    /// Writes what is pending. The log has the reason of a failure. Ends of sessions are kept for
    /// the next attempt; times of use are not.
    pub async fn flush(&self) {
        let _ = self.write_reused().await;
        let _ = self.write_session_uses().await;
        let _ = self.write_credential_uses().await;
    }

    async fn write_reused(&self) -> Result<(), StoreError> {
        for (sid, record) in self.pending_writes.reused() {
            self.write_end(sid, EndCause::Reuse, record).await?;
            self.pending_writes.remove_reuse(sid);
        }
        Ok(())
    }

    async fn write_session_uses(&self) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        for batch in self.pending_writes.take_used_sessions().chunks(BATCH) {
            let batch = batch.to_vec();
            self.store.run(move |connection| rows::touch(connection, &batch, now)).await?;
        }
        Ok(())
    }

    async fn write_credential_uses(&self) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        for batch in self.pending_writes.take_used_credentials().chunks(BATCH) {
            let batch = batch.to_vec();
            self.store.run(move |connection| credentials::touch(connection, &batch, now)).await?;
        }
        Ok(())
    }
}
