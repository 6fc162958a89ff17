//! Background work on sessions.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    Sessions,
    rebuild::{SETTLED_AFTER, VoidedSince},
    sync_state::RetryPolicy,
};
use crate::{
    jobs::fold_names::fold_names,
    revocation_feed::{FeedSource, STREAM_DELAY},
    session_state::{Answering, SessionStateError},
    store::StoreError,
};

/// Interval of the background work.
const TICK: Duration = Duration::from_secs(1);
/// Time without a read of the database after which all recent ends of sessions are read. The usual
/// read finds an end only until session state is known to hold it, which takes at least
/// [`SETTLED_AFTER`].
const MAX_GAP: Duration = SETTLED_AFTER.saturating_sub(TICK);
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

    /// Reads from the database, until `this` is dropped, the sessions that other replicas have
    /// ended. Runs in a separate task: Redis may hang, or be unreachable from this replica only, and
    /// [`Sessions::maintain`] waits for Redis.
    pub async fn follow_database(this: Weak<Self>) {
        let mut last_read = Instant::now();
        while let Some(sessions) = this.upgrade() {
            let read = sessions.read_unpublished(last_read.elapsed() > MAX_GAP).await;
            if read.is_ok() {
                last_read = Instant::now();
            }
            drop(sessions);
            // An end that was left to the stream is recorded by the next read.
            let pause = if matches!(read, Ok(Unpublished::Recent)) { STREAM_DELAY } else { TICK };
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes what is pending once a second, until `this` is dropped. Runs in a separate task, so
    /// that the other background work does not wait for it.
    pub async fn write_pending(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            // The next tick tries again.
            let _ = sessions.flush().await;
            drop(sessions);
            tokio::time::sleep(TICK).await;
        }
    }

    /// Deletes expired rows, and folds names, until `this` is dropped. Runs in a separate task, so
    /// that [`Sessions::maintain`] does not wait for it.
    pub async fn clean_up(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            let is_migrated = sessions.store.is_migrated();
            if is_migrated {
                // The log has the reason of a failure.
                let _ = fold_names(&sessions.store).await;
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
        let is_complete = |_| self.session_state.is_complete(Answering::Yes);
        match self.when_synced(RetryPolicy::Once, is_complete).await {
            Ok(true) => {
                let written = self.write_missing(VoidedSince::Recently).await;
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
        self.watch_evictions().await;
    }

    /// Records in the revocation feed the ended sessions that session state is not known to hold.
    /// With `after_gap`, also those that session state came to hold since the last read.
    async fn read_unpublished(&self, after_gap: bool) -> Result<Unpublished, StoreError> {
        if after_gap {
            self.revocations.load_past().await?;
        }
        let mut after = None;
        let mut unpublished = Unpublished::None;
        loop {
            let page = self.revoked_page(after, true).await?;
            for revoked in &page {
                if !self.revocations.record_from_database(revoked.sid, revoked.revoked_at_ms) {
                    unpublished = Unpublished::Recent;
                }
            }
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
        }
        self.revocations.mark_current(FeedSource::Database);
        Ok(unpublished)
    }

    async fn delete_expired(&self) -> Result<(), SessionStateError> {
        self.cleanup.run(&self.store, &self.clock).await?;
        self.session_state.delete_expired().await
    }

    /// Asks Redis about evictions from time to time. A failure shows elsewhere.
    async fn watch_evictions(&self) {
        if self.is_in_sync()
            && self.evictions.is_due()
            && let Ok(servers) = self.session_state.evictions().await
        {
            self.evictions.record(servers);
        }
    }
}

/// Whether a read of the database left ended sessions to the stream.
enum Unpublished {
    None,
    /// Sessions that have just ended, which the stream may still deliver.
    Recent,
}
