//! Writes to the database in batches: the last use of sessions and credentials, the generations of
//! sessions, and the ends of sessions that the database could not take at once.

use std::time::Duration;

use super::Sessions;
use crate::{
    domain::session::EndCause,
    store::{StoreError, credentials, sessions as rows},
};

/// Maximum number of rows in one write.
const BATCH: usize = 1000;

impl Sessions {
    /// Writes what is pending. The log has the reason of a failure. Ends and generations of
    /// sessions are kept for the next attempt. Returns whether the database took everything.
    pub async fn flush(&self) -> bool {
        let reused = self.write_reused().await;
        let session_uses = self.write_session_uses().await;
        let credential_uses = self.write_credential_uses().await;
        [reused, session_uses, credential_uses].iter().all(Result::is_ok)
    }

    /// Writes what is pending before the process ends. Logs what the database did not take in
    /// time.
    pub async fn flush_within(&self, limit: Duration) {
        if tokio::time::timeout(limit, self.flush()).await != Ok(true) {
            let reused = self.pending_writes.reused().len();
            log::warn!(
                "shutting down: the database did not take the last use of some sessions, and the \
                 ends of {reused} sessions by reuse"
            );
        }
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
        let used = self.pending_writes.take_used_sessions();
        for (number, batch) in used.chunks(BATCH).enumerate() {
            let rows = batch.to_vec();
            let write = move |connection: &mut _| rows::record_use(connection, &rows, now);
            if let Err(why) = self.store.run(write).await {
                self.pending_writes.add_unwritten(&used[number * BATCH..]);
                return Err(why);
            }
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
