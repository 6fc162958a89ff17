//! The hash pool: threads that hash passwords, with a bounded queue.
//!
//! Each thread computes several hashes side by side. A job that finds the queue full waits for a
//! short time and is then refused, so a flood of logins slows down only logins. Clients wait in
//! turns, and no address holds more than a share of the queue, so a flood from one address slows
//! down only that address.

mod job_queue;
mod metrics;
mod places;
mod queue;
mod round_robin;
#[cfg(test)]
mod tests;
mod worker;

use std::{sync::Arc, thread, time::Duration};

use service_kit::traces::span;
use tokio::{sync::oneshot, time::timeout};

use self::{
    job_queue::JobQueue,
    places::Places,
    queue::{CallerWatch, QueuedJob, Wait},
    worker::Worker,
};
pub use self::{metrics::HashPoolMetrics, queue::QueuePermit};
use super::HashJob;
use crate::domain::address::AddressPrefix;

/// Maximum time a request waits for a queue permit. Without this wait, refused clients would retry
/// at once, and keep the cores busy with refusals.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Error returned if the queue stays full, or if a job panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash pool is busy")]
pub struct HashPoolBusy;

/// The threads that hash passwords. They end when the last clone of the pool is dropped.
#[derive(Clone)]
pub struct HashPool {
    places: Arc<Places>,
    jobs: Arc<OpenQueue>,
    metrics: HashPoolMetrics,
}

/// The queue of the threads, closed when this value is dropped.
struct OpenQueue(Arc<JobQueue>);

impl Drop for OpenQueue {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl HashPool {
    /// Starts `threads` threads, with room for `queue` waiting jobs.
    ///
    /// # Errors
    /// If the system refuses to start a thread.
    pub fn start(threads: usize, queue: usize, metrics: HashPoolMetrics) -> std::io::Result<Self> {
        let jobs = OpenQueue(Arc::default());
        for number in 0..threads {
            let worker = Worker::new(Arc::clone(&jobs.0), metrics.hashes.clone());
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || worker.run())?;
        }
        Ok(Self { places: Arc::new(Places::new(queue)), jobs: Arc::new(jobs), metrics })
    }

    /// Waits for a place in the queue, at most one second. Clients with different addresses get
    /// places in turns.
    ///
    /// # Errors
    /// [`HashPoolBusy`], if no place became free.
    pub async fn acquire(&self, client: AddressPrefix) -> Result<QueuePermit, HashPoolBusy> {
        let wait = Wait::new(self.metrics.clone());
        let span = span("wait for a hash");
        match timeout(MAX_WAIT, self.places.acquire(client)).await {
            Ok(place) => Ok(QueuePermit::new(place, wait, span)),
            Err(_) => Err(HashPoolBusy),
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
        let caller = CallerWatch::new(&waiting);
        self.jobs.0.push(QueuedJob { job, permit, caller });
        let result = result.await.map_err(|_| HashPoolBusy);
        drop(waiting);
        result
    }
}
