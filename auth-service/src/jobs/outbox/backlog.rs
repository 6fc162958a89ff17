//! The number of messages that are still to be sent, for the metrics.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::store::{
    Store,
    outbox::{Backlog, backlog},
};

/// Interval at which a replica that sends messages counts those of all replicas.
const INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which a replica that sends nothing counts the messages of all replicas.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);

/// The backlog as the task that sends has last read it, so that a scrape of the metrics costs no
/// query.
#[derive(Default)]
pub(super) struct KnownBacklog(Mutex<Option<Reading>>);

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    /// `None` if the database did not answer.
    backlog: Option<Backlog>,
}

impl KnownBacklog {
    /// Returns the number of messages, and the age of the oldest. Returns `None` while the database
    /// does not answer.
    pub(super) fn at(&self, now_ms: i64) -> Option<(usize, Duration)> {
        let Backlog { pending, oldest_at_ms } = self.get()?.backlog?;
        let age_ms = oldest_at_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest).max(0));
        Some((pending as usize, Duration::from_millis(age_ms as u64)))
    }

    /// Reads the backlog if the last reading is too old.
    pub(super) async fn follow(&self, store: &Store, has_claimed: bool) {
        if let Some(Reading { at, backlog: Some(backlog) }) = self.get() {
            let is_idle = !has_claimed && backlog.pending == 0;
            let interval = if is_idle { IDLE_INTERVAL } else { INTERVAL };
            if at.elapsed() < interval {
                return;
            }
        }
        let backlog = store.run(backlog).await.ok();
        self.set(Reading { at: Instant::now(), backlog });
    }

    fn get(&self) -> Option<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, reading: Reading) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }
}
