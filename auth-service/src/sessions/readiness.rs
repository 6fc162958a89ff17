//! Whether both stores answer, for `/readyz`. The stores are checked once a second, and not at each
//! request for `/readyz`, which any client may send.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    Sessions, evictions::EvictionWarning, last_checks::StoresReadiness, sync_state::RetryPolicy,
};
use crate::{
    health::UnavailableReason,
    session_state::{Answering, SessionStateError},
};

/// Interval of the checks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Interval of the checks until the stores answer for the first time: the proxy waits for a replica
/// that starts.
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum time of checks in the shorter interval.
const FIRST_CHECKS: Duration = Duration::from_secs(5);

const WAITING: UnavailableReason =
    UnavailableReason::Text("waiting for the database, which does not answer");
const SYNCING: UnavailableReason = UnavailableReason::Text("being synced from the database");

impl Sessions {
    /// Returns a warning if Redis may evict entries of sessions, or has done so.
    pub fn eviction_warning(&self) -> Option<EvictionWarning> {
        self.evictions.warning()
    }

    /// Returns the number of keys that Redis has evicted, and whether it may evict keys.
    pub fn evicted_keys(&self) -> (u64, bool) {
        self.evictions.evicted_keys()
    }

    /// Returns the readiness of both stores, with the reason if one is not ready: the result of the
    /// last check, and failures of requests since then.
    pub fn readiness(&self) -> StoresReadiness {
        let mut last = self.last_checks.get();
        if last.database.is_ok() {
            last.database = self.store.failure_reason().map_or(Ok(()), Err);
        }
        if last.session_state.is_ok() && !self.is_in_sync() {
            last.session_state = Err(self.session_state.failure_reason().unwrap_or(SYNCING));
        }
        // A request that waits for a sync may give up before the sync fails.
        if last.database.is_err() && last.session_state == Err(SYNCING) {
            last.session_state = Err(WAITING);
        }
        last
    }

    /// Checks both stores until `this` is dropped. A store that does not answer does not delay the
    /// check of the other.
    pub async fn watch_readiness(this: Weak<Self>) {
        tokio::join!(
            repeat(&this, async |sessions| sessions.check_database().await),
            repeat(&this, async |sessions| sessions.check_session_state().await),
        );
    }

    /// Checks both stores now.
    pub async fn check_readiness(self: &Arc<Self>) {
        tokio::join!(self.check_database(), self.check_session_state());
    }

    async fn check_database(&self) -> bool {
        let database = self.store.check().await;
        let is_ready = database.is_ok();
        self.last_checks.update(|last| last.database = database);
        is_ready
    }

    async fn check_session_state(self: &Arc<Self>) -> bool {
        let is_complete = self
            .when_synced(RetryPolicy::Once, |_| self.session_state.is_complete(Answering::No))
            .await;
        let session_state =
            is_complete.map(drop).map_err(|why| match self.session_state.failure_reason() {
                Some(reason) => reason,
                None if matches!(why, SessionStateError::Store(_)) => WAITING,
                None => SYNCING,
            });
        let is_ready = session_state.is_ok();
        self.last_checks.update(|last| last.session_state = session_state);
        is_ready
    }
}

/// Repeats a check, which returns whether the store is ready, until `this` is dropped.
async fn repeat(this: &Weak<Sessions>, check: impl AsyncFn(&Arc<Sessions>) -> bool) {
    let started = Instant::now();
    let mut was_ready = false;
    while let Some(sessions) = this.upgrade() {
        was_ready |= check(&sessions).await;
        drop(sessions);
        let is_starting = !was_ready && started.elapsed() < FIRST_CHECKS;
        tokio::time::sleep(if is_starting { FIRST_INTERVAL } else { INTERVAL }).await;
    }
}
