//! The sources that the feed reads, and when the feed last had all events of each.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A source of sessions that other replicas have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedSource {
    Stream,
    Database,
}

impl FeedSource {
    /// Returns the name that metrics use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Database => "database",
        }
    }
}

/// The time at which the feed last had all events of each source.
#[derive(Debug)]
pub struct LastCurrent {
    started: Instant,
    /// In milliseconds after `started`, by [`FeedSource`].
    at_ms: [AtomicU64; 2],
}

impl LastCurrent {
    /// Returns a record that counts as current now.
    pub fn new() -> Self {
        Self { started: Instant::now(), at_ms: Default::default() }
    }

    /// Records that the feed has all events of the source.
    pub fn set_now(&self, source: FeedSource) {
        let elapsed_ms = self.started.elapsed().as_millis() as u64;
        self.at_ms[source as usize].store(elapsed_ms, Ordering::Release);
    }

    /// Returns the time since the feed last had all events of the source.
    pub fn silence(&self, source: FeedSource) -> Duration {
        let at = Duration::from_millis(self.at_ms[source as usize].load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(at)
    }
}
