//! The hash pool: threads that hash passwords, with a bounded queue.
//!
//! Each thread computes several hashes side by side. A job that finds the queue full waits for a
//! short time and is then refused, so a flood of logins slows down only logins.

#[cfg(test)]
mod tests;
mod worker;

use std::{
    sync::{
        Arc, Mutex, Weak,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use prometheus_client::metrics::{gauge::Gauge, histogram::Histogram};
use service_kit::traces::{SpanGuard, span};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use self::worker::Worker;
use super::HashJob;

/// Maximum time a request waits for a queue permit. Without this wait, refused clients would retry
/// at once, and keep the cores busy with refusals.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Error returned if the queue stays full, or if a job panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash pool is busy")]
pub struct HashPoolBusy;

/// The pool's metrics.
#[derive(Clone, Debug)]
pub struct HashPoolMetrics {
    /// Number of jobs that wait for a thread, or for a queue permit.
    pub queued: Gauge,
    /// Time that jobs waited until a thread started them, in seconds.
    pub wait_seconds: Histogram,
}

impl HashPoolMetrics {
    /// A wait takes from a millisecond to the ten seconds that the jobs in progress may take.
    const WAIT_BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
}

impl Default for HashPoolMetrics {
    fn default() -> Self {
        let wait_seconds = Histogram::new(Self::WAIT_BUCKETS);
        Self { queued: Gauge::default(), wait_seconds }
    }
}

/// The threads that hash passwords. They end when the last clone of the pool is dropped.
#[derive(Clone, Debug)]
pub struct HashPool {
    permits: Arc<Semaphore>,
    queue: Sender<QueuedJob>,
    metrics: HashPoolMetrics,
}

/// A place in the queue, held until a thread starts the job.
///
/// Callers read the database only after they have a permit, so that the pool also protects the
/// database from a flood of logins.
#[derive(Debug)]
pub struct QueuePermit {
    _permit: OwnedSemaphorePermit,
    wait: Wait,
    span: SpanGuard,
}

impl QueuePermit {
    /// Ends the wait and frees the place. Returns the span of the hash.
    fn release(self) -> SpanGuard {
        self.wait.metrics.wait_seconds.observe(self.wait.since.elapsed().as_secs_f64());
        self.span.then("hash")
    }
}

/// A waiting job in the metrics, until it is dropped.
#[derive(Debug)]
struct Wait {
    since: Instant,
    metrics: HashPoolMetrics,
}

impl Wait {
    fn new(metrics: HashPoolMetrics) -> Self {
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
struct QueuedJob {
    job: HashJob<()>,
    permit: QueuePermit,
    caller: CallerWatch,
}

/// Observes whether the caller of [`HashPool::run`] still waits for the result.
#[derive(Debug)]
struct CallerWatch(Weak<()>);

impl CallerWatch {
    fn is_waiting(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl HashPool {
    /// Starts `threads` threads, with room for `queue` waiting jobs.
    ///
    /// # Errors
    /// If the system refuses to start a thread.
    pub fn start(threads: usize, queue: usize, metrics: HashPoolMetrics) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let receiver = Arc::clone(&receiver);
            let run = move || Worker::new(&receiver).run();
            thread::Builder::new().name(format!("hash-{number}")).spawn(run)?;
        }
        Ok(Self { permits: Arc::new(Semaphore::new(queue)), queue: sender, metrics })
    }

    /// Waits for a place in the queue, at most one second. Places are given in order of arrival.
    ///
    /// # Errors
    /// [`HashPoolBusy`], if no place became free.
    pub async fn acquire(&self) -> Result<QueuePermit, HashPoolBusy> {
        let wait = Wait::new(self.metrics.clone());
        let span = span("wait for a hash");
        match timeout(MAX_WAIT, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(QueuePermit { _permit: permit, wait, span }),
            _ => Err(HashPoolBusy),
        }
    }

    /// Runs `job` in the pool and returns its result. If the returned future is dropped, the pool
    /// abandons the job.
    ///
    /// # Errors
    /// [`HashPoolBusy`], if the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        permit: QueuePermit,
        job: HashJob<T>,
    ) -> Result<T, HashPoolBusy> {
        let (sender, result) = oneshot::channel();
        let waiting = Arc::new(());
        // Sending fails if the caller has gone away, and no other task needs the result.
        let job = job.map(|value| drop(sender.send(value)));
        let caller = CallerWatch(Arc::downgrade(&waiting));
        self.queue.send(QueuedJob { job, permit, caller }).map_err(|_| HashPoolBusy)?;
        let result = result.await.map_err(|_| HashPoolBusy);
        drop(waiting);
        result
    }
}
