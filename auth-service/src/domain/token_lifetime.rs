//! The longest lifetime of any access token that may be unexpired.
//!
//! The setting ACCESS_TOKEN_LIFETIME may have been longer before, or be longer at another replica.
//! So the database records with each signing key the longest lifetime of its tokens. Whatever must
//! outlive every access token follows the recorded lifetimes, not the setting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// The longest lifetime of any access token that may be unexpired. Clones share the value.
#[derive(Clone, Debug)]
pub struct LongestLifetime {
    /// Lifetime of the tokens of this replica, in milliseconds.
    own_ms: i64,
    longest_ms: Arc<AtomicI64>,
}

impl LongestLifetime {
    /// Returns the lifetime of the tokens of this replica, until [`LongestLifetime::record`].
    pub fn new(own: Duration) -> Self {
        let own_ms = own.as_millis() as i64;
        Self { own_ms, longest_ms: Arc::new(AtomicI64::new(own_ms)) }
    }

    /// Returns the lifetime of the tokens of this replica, in milliseconds.
    pub fn own_ms(&self) -> i64 {
        self.own_ms
    }

    /// Returns the longest lifetime of any access token that may be unexpired, in milliseconds.
    pub fn longest_ms(&self) -> i64 {
        self.longest_ms.load(Ordering::Acquire)
    }

    /// Records the longest lifetime of the tokens of all published keys, in milliseconds. It becomes
    /// shorter once a key has left the published set.
    pub fn record(&self, of_published_keys_ms: i64) {
        self.longest_ms.store(of_published_keys_ms.max(self.own_ms), Ordering::Release);
    }
}
