//! The hash pool: threads that hash passwords, with a bounded queue.
//!
//! Each thread computes several hashes side by side. A job that finds the queue full waits for a
//! short time and is then refused, so a flood of logins slows down only logins.

mod metrics;
mod queue;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use service_kit::traces::span;
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

pub use self::{metrics::HashPoolMetrics, queue::QueuePermit};
use self::{
    queue::{CallerWatch, QueuedJob, Wait},
    worker::Worker,
};
use super::HashJob;

/// Maximum time a request waits for a queue permit. Without this wait, refused clients would retry
/// at once, and keep the cores busy with refusals.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Error returned if the queue stays full, or if a job panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash pool is busy")]
pub struct HashPoolBusy;

/// The threads that hash passwords. They end when the last clone of the pool is dropped.
#[derive(Clone, Debug)]
pub struct HashPool {
    permits: Arc<Semaphore>,
    queue: Sender<QueuedJob>,
    metrics: HashPoolMetrics,
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
            Ok(Ok(permit)) => Ok(QueuePermit::new(permit, wait, span)),
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
        let caller = CallerWatch::new(&waiting);
        self.queue.send(QueuedJob { job, permit, caller }).map_err(|_| HashPoolBusy)?;
        let result = result.await.map_err(|_| HashPoolBusy);
        drop(waiting);
        result
    }
}
