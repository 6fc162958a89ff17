//! Jobs in the queue of the hash pool, and the permits that bound their number.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use service_kit::traces::SpanGuard;

use super::{metrics::HashPoolMetrics, places::Place};
use crate::{credentials::HashJob, domain::address::AddressPrefix};

/// A place in the queue, held until a thread starts the job.
///
/// Callers read the database only after they have a permit, so that the pool also protects the
/// database from a flood of logins.
#[derive(Debug)]
pub struct QueuePermit {
    place: Place,
    wait: Wait,
    span: SpanGuard,
}

impl QueuePermit {
    pub(super) fn new(place: Place, wait: Wait, span: SpanGuard) -> Self {
        Self { place, wait, span }
    }

    /// Returns the client that holds the place.
    pub(super) fn client(&self) -> AddressPrefix {
        self.place.client
    }

    /// Ends the wait and frees the place. Returns the span of the hash.
    pub(super) fn release(self) -> SpanGuard {
        self.wait.metrics.wait_seconds.observe(self.wait.since.elapsed().as_secs_f64());
        self.span.then("hash")
    }
}

/// Counts one waiting job in the metrics, until this value is dropped.
#[derive(Debug)]
pub struct Wait {
    since: Instant,
    metrics: HashPoolMetrics,
}

impl Wait {
    pub fn new(metrics: HashPoolMetrics) -> Self {
        metrics.queued.inc();
        Self { since: Instant::now(), metrics }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.metrics.queued.dec();
    }
}

/// A job in the queue.
#[derive(Debug)]
pub struct QueuedJob {
    pub job: HashJob<()>,
    pub permit: QueuePermit,
    pub caller: CallerWatch,
}

/// Observes whether the caller of [`HashPool::run`](super::HashPool::run) still waits for the
/// result.
#[derive(Debug)]
pub struct CallerWatch(Weak<()>);

impl CallerWatch {
    /// Creates a watch of a caller that waits as long as it holds `waiting`.
    pub fn new(waiting: &Arc<()>) -> Self {
        Self(Arc::downgrade(waiting))
    }

    pub fn is_waiting(&self) -> bool {
        self.0.strong_count() > 0
    }
}
