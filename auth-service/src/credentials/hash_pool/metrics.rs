//! Metrics of the hash pool.

use prometheus_client::metrics::{gauge::Gauge, histogram::Histogram};
use service_kit::metrics::Counters;

use crate::credentials::hash_job::{ARGON2, BCRYPT, PBKDF2, SCRYPT};

/// The pool's metrics.
#[derive(Clone, Debug)]
pub struct HashPoolMetrics {
    /// Number of jobs that wait for a thread, or for a queue permit.
    pub queued: Gauge,
    /// Time that jobs waited until a thread started them, in seconds.
    pub wait_seconds: Histogram,
    /// Number of hashes that threads began, by label `kind`.
    pub hashes: Counters<1>,
}

impl HashPoolMetrics {
    /// Values of the label `kind`.
    pub const KINDS: [&str; 4] = [BCRYPT, PBKDF2, ARGON2, SCRYPT];

    /// A wait takes from a millisecond to the ten seconds that the jobs in progress may take.
    const WAIT_BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
}

impl Default for HashPoolMetrics {
    fn default() -> Self {
        let wait_seconds = Histogram::new(Self::WAIT_BUCKETS);
        Self { queued: Gauge::default(), wait_seconds, hashes: Counters::default() }
    }
}
