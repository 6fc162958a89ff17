//! Whether session state is in sync with the database.

use std::{
    sync::{
        Mutex as SyncMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::session_state::Silence;

/// Number of doubts at the last sync before the first sync. There is always a doubt then.
const NEVER_SYNCED: u64 = 0;

/// Whether a call to session state is repeated if its connection fails. A connection may have been
/// cut while it was idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryPolicy {
    Once,
    Never,
}

/// Whether session state is in sync with the database.
///
/// A doubt arises when session state gives no answer, reports that it is incomplete, or is reached
/// over other connections, which may lead to another server. The doubts are counted. Session state
/// is in sync while their number is that of the last sync.
pub struct SyncState {
    /// Time since which session state is out of sync.
    out_of_sync_since: SyncMutex<Option<Instant>>,
    /// Number of failed or incomplete answers over connections that were not replaced because of
    /// them.
    outages: AtomicU64,
    /// Number of doubts at the last sync.
    doubts_at_sync: AtomicU64,
    /// Number of attempts to sync.
    attempts: AtomicU64,
    /// Held during an attempt, so that attempts do not overlap.
    pub attempt_lock: Mutex<()>,
}

impl SyncState {
    /// Returns a state that is out of sync, because events before the start of this process are
    /// unknown.
    pub fn new() -> Self {
        Self {
            out_of_sync_since: SyncMutex::new(Some(Instant::now())),
            outages: AtomicU64::new(1),
            doubts_at_sync: AtomicU64::new(NEVER_SYNCED),
            attempts: AtomicU64::new(0),
            attempt_lock: Mutex::default(),
        }
    }

    /// Returns the number of doubts. Both terms only grow.
    pub fn doubts(&self, epoch: u64) -> u64 {
        self.outages.load(Ordering::Acquire) + epoch
    }

    /// Returns whether session state is in sync over connections of this epoch.
    pub fn is_in_sync(&self, epoch: u64) -> bool {
        self.doubts(epoch) == self.doubts_at_sync.load(Ordering::Acquire)
    }

    /// Returns the time since which session state is out of sync, locked: the time changes together
    /// with the counters.
    pub fn lock(&self) -> OutOfSyncSince<'_> {
        let since = self.out_of_sync_since.lock().unwrap_or_else(PoisonError::into_inner);
        OutOfSyncSince { state: self, since }
    }

    /// Returns the time for which session state has been out of sync.
    pub fn out_of_sync_for(&self) -> Duration {
        self.lock().since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Returns for how long this replica has answered no refresh.
    pub fn silence(&self) -> Silence {
        if self.doubts_at_sync.load(Ordering::Acquire) == NEVER_SYNCED {
            Silence::SinceStart
        } else {
            Silence::For(self.out_of_sync_for())
        }
    }

    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Acquire)
    }

    pub fn count_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::AcqRel);
    }
}

/// The locked part of [`SyncState`].
pub struct OutOfSyncSince<'a> {
    state: &'a SyncState,
    since: MutexGuard<'a, Option<Instant>>,
}

impl OutOfSyncSince<'_> {
    /// Adds a doubt.
    pub fn count_outage(&self) {
        self.state.outages.fetch_add(1, Ordering::AcqRel);
    }

    /// Records that session state is out of sync from now on, if it was in sync.
    pub fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Records a sync that began when there were `doubts`.
    pub fn set_synced(&self, doubts: u64) {
        self.state.doubts_at_sync.store(doubts, Ordering::Release);
    }

    /// Records that session state is in sync.
    pub fn end(&mut self) {
        *self.since = None;
    }
}
