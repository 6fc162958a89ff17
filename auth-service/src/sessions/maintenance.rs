//! Background work on sessions.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{Sessions, sync_state::RetryPolicy};
use crate::{revocation_feed::FeedSource, session_state::SessionStateError, store::StoreError};

/// Interval of the background work.
const TICK: Duration = Duration::from_secs(1);
/// Interval at which expired rows are deleted.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);

impl Sessions {
    /// Keeps schema and session state up to date until `this` is dropped.
    pub async fn maintain(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            sessions.maintain_once().await;
            drop(sessions);
            tokio::time::sleep(TICK).await;
        }
    }

    /// Deletes expired rows until `this` is dropped. Runs in a separate task, so that
    /// [`Sessions::maintain`] does not wait for it.
    pub async fn clean_up(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            let is_migrated = sessions.store.is_migrated();
            if is_migrated {
                // The log has the reason of a failure.
                let _ = sessions.delete_expired().await;
            }
            drop(sessions);
            tokio::time::sleep(if is_migrated { CLEANUP_INTERVAL } else { TICK }).await;
        }
    }

    /// Does the work of one tick. The log has the reason of a failure, and the next tick tries
    /// again.
    async fn maintain_once(self: &Arc<Self>) {
        if !self.store.is_migrated() && self.store.migrate().await.is_err() {
            return;
        }
        // The database is read even if Redis does not answer: Redis may be unreachable from this
        // replica only.
        let is_complete = self.when_synced(RetryPolicy::Once, |_| self.session_state.is_complete());
        let (is_complete, _) = tokio::join!(is_complete, self.record_unpublished());
        match is_complete {
            Ok(true) => {
                let written = self.write_missing().await;
                // An unreachable database is no reason to doubt session state.
                if written.is_err_and(|why| !matches!(why, SessionStateError::Store(_))) {
                    self.record_outage();
                }
            }
            Ok(false) => self.record_outage(),
            Err(_) => {}
        }
        // The calls above may have replaced the connections.
        let _ = self.sync().await;
        self.flush().await;
    }

    /// Records in the revocation feed the ended sessions that session state is not known to hold.
    async fn record_unpublished(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            for revoked in &page {
                self.revocations.record_from_database(revoked.sid, revoked.revoked_at_ms);
            }
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
        }
        self.revocations.mark_current(FeedSource::Database);
        Ok(())
    }

    async fn delete_expired(&self) -> Result<(), SessionStateError> {
        self.cleanup.run(&self.store, &self.clock).await?;
        self.session_state.delete_expired().await
    }
}
