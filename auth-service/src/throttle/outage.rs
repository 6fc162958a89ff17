//! Outages of Redis, during which this process counts by itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::redis::RedisFailure;

/// Time between two attempts to reach Redis during an outage, in milliseconds. Without it, each
/// login would wait for Redis as long as a call may take.
const RETRY_INTERVAL_MS: u64 = 1000;

/// Whether Redis answers.
pub struct Outage {
    started: Instant,
    /// Time of the next attempt to reach Redis, in milliseconds since `started`. Zero while Redis
    /// answers.
    next_try_ms: AtomicU64,
}

impl Default for Outage {
    fn default() -> Self {
        Self { started: Instant::now(), next_try_ms: AtomicU64::new(0) }
    }
}

impl Outage {
    /// Returns whether the caller may call Redis. During an outage, one caller per interval may.
    pub fn may_try(&self) -> bool {
        let next = self.next_try_ms.load(Ordering::Relaxed);
        let now = self.now_ms();
        if next == 0 {
            return true;
        }
        let later = now + RETRY_INTERVAL_MS;
        now >= next
            && self
                .next_try_ms
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Records whether Redis answered, and returns the answer. The health of Redis, with the reason
    /// of a failure, is reported by session state.
    pub fn observe<T>(&self, answer: Result<T, RedisFailure>) -> Option<T> {
        match answer {
            Ok(answer) => {
                if self.next_try_ms.swap(0, Ordering::Relaxed) != 0 {
                    log::info!("failed logins are counted in Redis again");
                }
                Some(answer)
            }
            Err(_) => {
                let next = self.now_ms() + RETRY_INTERVAL_MS;
                if self.next_try_ms.swap(next, Ordering::Relaxed) == 0 {
                    log::warn!("Redis is unavailable: this process counts failed logins by itself");
                }
                None
            }
        }
    }

    /// Returns the time since `started`, in milliseconds, and at least 1.
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }
}
