//! Keeps the session state in sync with the database.
//!
//! The session state is in sync if it is known to hold every revocation that the database holds. A doubt arises when the session state gives no
//! answer, says that it is incomplete, or is reached over other connections, which may lead to another server. The doubts are
//! counted; the session state is in sync while their number is that of the last sync.

use std::{
    sync::{
        Arc, Mutex as SyncMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use service_kit::traces;
use tokio::sync::Mutex;

use super::Sessions;
use crate::session_state::SessionStateError;

/// How often a question to the session state is repeated whose connection failed: a connection may have been cut while it was idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryPolicy {
    Once,
    Never,
}

/// What is known of the sync.
pub struct SyncState {
    /// Time since which the session state is out of sync.
    out_of_sync_since: SyncMutex<Option<Instant>>,
    /// Number of failed or incomplete answers over connections that were not replaced for it.
    outages: AtomicU64,
    /// Number of doubts at the last sync.
    doubts_at_sync: AtomicU64,
    /// Number of attempts at a sync.
    attempts: AtomicU64,
    /// Held during an attempt, so that there is one at a time.
    syncing: Mutex<()>,
}

impl SyncState {
    /// Out of sync: what happened before this process started is unknown.
    pub fn new() -> Self {
        Self {
            out_of_sync_since: SyncMutex::new(Some(Instant::now())),
            outages: AtomicU64::new(1),
            doubts_at_sync: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            syncing: Mutex::default(),
        }
    }

    fn out_of_sync_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.out_of_sync_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// Asks the session state, which is synced first if needed, over the connections over which it is in sync. An incomplete session state
    /// is asked a second time; a failed connection too, if `retry` allows it; a slow answer is not repeated.
    ///
    /// # Errors
    /// [`SessionStateError`].
    pub(super) async fn when_synced<T, F>(
        self: &Arc<Self>,
        retry: RetryPolicy,
        ask: impl Fn(u64) -> F,
    ) -> Result<T, SessionStateError>
    where
        F: Future<Output = Result<T, SessionStateError>>,
    {
        let attempt = async || {
            let connection = self.sync().await?;
            ask(connection).await.inspect_err(|_| self.note_outage_of(connection))
        };
        match attempt().await {
            Err(SessionStateError::Incomplete) => attempt().await,
            Err(SessionStateError::Unavailable) if retry == RetryPolicy::Once => attempt().await,
            decided => decided,
        }
    }

    /// Records a doubt.
    pub(super) fn note_outage(&self) {
        let mut since = self.sync.out_of_sync_since();
        self.sync.outages.fetch_add(1, Ordering::AcqRel);
        since.get_or_insert_with(Instant::now);
    }

    /// Records that the session state gave no answer over connections of this epoch. Once those are replaced, the session state may be in sync
    /// again over others, and no doubt is added.
    pub(super) fn note_outage_of(&self, connection: u64) {
        let mut since = self.sync.out_of_sync_since();
        if self.session_state.connection_epoch() == connection {
            self.sync.outages.fetch_add(1, Ordering::AcqRel);
        }
        if !self.is_in_sync() {
            since.get_or_insert_with(Instant::now);
        }
    }

    /// Returns how long the session state has been out of sync.
    pub(super) fn out_of_sync_for(&self) -> Duration {
        self.sync.out_of_sync_since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Returns whether the session state is known to hold every revocation that the database holds.
    pub fn is_in_sync(&self) -> bool {
        self.doubts() == self.sync.doubts_at_sync.load(Ordering::Acquire)
    }

    /// Returns the epoch of the connections over which the session state is in sync. The epoch is read first: if the connections are
    /// replaced meanwhile, nothing is asked over it.
    pub(super) fn synced_connection(&self) -> Option<u64> {
        let connection = self.session_state.connection_epoch();
        self.is_in_sync().then_some(connection)
    }

    /// Returns the number of doubts. Both terms only grow.
    fn doubts(&self) -> u64 {
        self.sync.outages.load(Ordering::Acquire) + self.session_state.connection_epoch()
    }

    /// Syncs the session state if needed, and returns the epoch of its connections. A rebuild may take longer than a request waits: then it
    /// continues without the request.
    pub(super) async fn sync(self: &Arc<Self>) -> Result<u64, SessionStateError> {
        if let Some(connection) = self.synced_connection() {
            return Ok(connection);
        }
        let this = Arc::clone(self);
        // A task from the start: other requests wait for it too.
        let attempt = tokio::spawn(traces::with_current_trace(async move { this.sync_once().await }));
        match tokio::time::timeout(self.sync_timeout, attempt).await {
            Ok(outcome) => outcome.unwrap_or(Err(SessionStateError::Unavailable)),
            Err(_) => Err(SessionStateError::TimedOut),
        }
    }

    /// One attempt at a time. Requests that wait meanwhile share its outcome.
    async fn sync_once(&self) -> Result<u64, SessionStateError> {
        let attempts = self.sync.attempts.load(Ordering::Acquire);
        let _one_at_a_time = self.sync.syncing.lock().await;
        if let Some(connection) = self.synced_connection() {
            return Ok(connection);
        }
        if self.sync.attempts.load(Ordering::Acquire) != attempts {
            return Err(SessionStateError::TimedOut);
        }
        // Connections are also replaced that no request asked over, so the outage may be unrecorded.
        self.sync.out_of_sync_since().get_or_insert_with(Instant::now);
        let connection = self.session_state.connection_epoch();
        let doubts = self.doubts();
        let outcome = self.bring_up_to_date().await;
        self.sync.attempts.fetch_add(1, Ordering::AcqRel);
        outcome?;
        let mut since = self.sync.out_of_sync_since();
        self.sync.doubts_at_sync.store(doubts, Ordering::Release);
        if self.is_in_sync() {
            *since = None;
        }
        Ok(connection)
    }
}
