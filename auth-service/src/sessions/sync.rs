//! Brings session state in sync with the database before it is used: session state is then known to
//! hold every revocation that the database holds. See [`SyncState`](super::sync_state::SyncState).

use std::{sync::Arc, time::Duration};

use service_kit::traces;

use super::{Sessions, sync_state::RetryPolicy};
use crate::session_state::SessionStateError;

/// Time between attempts to sync during start-up.
const FIRST_RETRY: Duration = Duration::from_millis(50);

impl Sessions {
    /// Calls session state over connections over which it is in sync; syncs it first if needed. The
    /// call takes the epoch of the connections.
    ///
    /// The call is repeated if session state is incomplete, and if the connection fails and `retry`
    /// allows it. A call that times out is not repeated.
    ///
    /// # Errors
    /// [`SessionStateError`].
    pub(super) async fn when_synced<T, F>(
        self: &Arc<Self>,
        retry: RetryPolicy,
        call: impl Fn(u64) -> F,
    ) -> Result<T, SessionStateError>
    where
        F: Future<Output = Result<T, SessionStateError>>,
    {
        let attempt = async || {
            let epoch = self.sync().await?;
            let outcome = call(epoch).await;
            if let Err(why) = &outcome
                && self.session_state.is_doubted_by(why)
            {
                self.record_outage_of(epoch);
            }
            outcome
        };
        match attempt().await {
            Err(SessionStateError::Incomplete) => attempt().await,
            Err(SessionStateError::Unavailable) if retry == RetryPolicy::Once => attempt().await,
            outcome => outcome,
        }
    }

    /// Records a doubt.
    pub(super) fn record_outage(&self) {
        let mut since = self.sync.lock();
        since.count_outage();
        since.begin();
    }

    /// Records that session state gave no answer over connections of this epoch. If they have been
    /// replaced already, no doubt is added: session state may be in sync over the new ones.
    pub(super) fn record_outage_of(&self, epoch: u64) {
        let mut since = self.sync.lock();
        if self.session_state.connection_epoch() == epoch {
            since.count_outage();
        }
        if !self.is_in_sync() {
            since.begin();
        }
    }

    /// Returns whether session state is known to hold every revocation that the database holds.
    pub fn is_in_sync(&self) -> bool {
        self.sync.is_in_sync(self.session_state.connection_epoch())
    }

    /// Waits until session state is in sync. Retries more often than [`Sessions::maintain`], because
    /// start-up waits.
    pub async fn synced(self: &Arc<Self>) {
        while self.sync().await.is_err() {
            self.store.pause(FIRST_RETRY).await;
        }
    }

    /// Returns the epoch of the connections over which session state is in sync. `None` while it is
    /// out of sync. Session state refuses a call with this epoch once the connections have been
    /// replaced.
    pub(super) fn synced_epoch(&self) -> Option<u64> {
        let epoch = self.session_state.connection_epoch();
        self.is_in_sync().then_some(epoch)
    }

    /// Syncs session state if needed, and returns the epoch of its connections. A rebuild may take
    /// longer than a request waits: it continues without the request.
    pub(super) async fn sync(self: &Arc<Self>) -> Result<u64, SessionStateError> {
        if let Some(epoch) = self.synced_epoch() {
            return Ok(epoch);
        }
        let this = Arc::clone(self);
        // A task, because other requests wait for this attempt too.
        let attempt = traces::with_current_trace(async move { this.sync_once().await });
        match tokio::time::timeout(self.sync_timeout, tokio::spawn(attempt)).await {
            Ok(outcome) => outcome.unwrap_or(Err(SessionStateError::Unavailable)),
            Err(_) => Err(SessionStateError::TimedOut),
        }
    }

    /// Makes one attempt to sync. Requests that wait for an attempt share its outcome.
    async fn sync_once(&self) -> Result<u64, SessionStateError> {
        let attempts = self.sync.attempts();
        let _attempt = self.sync.attempt_lock.lock().await;
        if let Some(epoch) = self.synced_epoch() {
            return Ok(epoch);
        }
        if self.sync.attempts() != attempts {
            return Err(SessionStateError::TimedOut);
        }
        // Connections may have been replaced without a call that failed.
        self.sync.lock().begin();
        let epoch = self.session_state.connection_epoch();
        let doubts = self.sync.doubts(epoch);
        let outcome = match self.bring_up_to_date().await {
            Ok(()) => self.session_state.record_outage(self.sync.silence()).await,
            Err(why) => Err(why),
        };
        self.sync.count_attempt();
        outcome?;
        let mut since = self.sync.lock();
        since.set_synced(doubts);
        if self.is_in_sync() {
            since.end();
        }
        Ok(epoch)
    }
}
