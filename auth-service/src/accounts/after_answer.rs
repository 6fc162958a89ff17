//! Work that an answer does not wait for, because its time would reveal whether a user exists. A
//! shutdown waits for it.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

/// Maximum number of tasks that a shutdown waits for. Requests are limited to fewer.
const MAX_TASKS: u32 = 100_000;

/// Runs tasks after the answers of requests.
#[derive(Clone)]
pub struct AfterAnswer {
    /// Runtime that ends after the workers, which end with their last request.
    runtime: Handle,
    /// Each task holds a permit.
    tasks: Arc<Semaphore>,
}

impl AfterAnswer {
    /// Creates the service. The tasks run on the runtime of the caller.
    pub fn new() -> Self {
        Self { runtime: Handle::current(), tasks: Arc::new(Semaphore::new(MAX_TASKS as usize)) }
    }

    /// Runs `work`, even if the client disconnects.
    pub fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let permit = Arc::clone(&self.tasks).try_acquire_owned();
        self.runtime.spawn(async move {
            work.await;
            drop(permit);
        });
    }

    /// Waits until all tasks have ended, for at most `limit`.
    pub async fn finish_within(&self, limit: Duration) {
        if timeout(limit, self.tasks.acquire_many(MAX_TASKS)).await.is_err() {
            log::error!("mails that users asked for were not written before the process ended");
        }
    }
}
