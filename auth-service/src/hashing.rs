//! The pool that hashes passwords: one thread a core and a bounded queue. What does not fit is refused at once, so
//! that a flood of logins slows down nothing but logins.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use shared::service::traces::part;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The queue is full.
#[derive(Debug)]
pub struct Busy;

/// Threads that hash passwords.
#[derive(Clone, Debug)]
pub struct HashPool {
    queue: SyncSender<Job>,
}

impl HashPool {
    /// A pool of `threads` threads with room for `queue` jobs that wait. It ends when its last clone is dropped.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Job>(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&receiver))?;
        }
        Ok(Self { queue: sender })
    }

    /// Runs `job` in the pool. Nothing is run for a caller who has gone away meanwhile.
    ///
    /// # Errors
    /// [`Busy`], if the queue is full.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let wait = part("wait for a hash");
        let job = Box::new(move || {
            if !answer.is_closed() {
                let _hash = wait.then("hash");
                // The caller may go away while the job runs. Then nobody wants the answer.
                let _ = answer.send(job());
            }
        });
        match self.queue.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Busy),
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            log::error!("a hash job panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_util::FutureExt;

    use super::*;

    #[actix_web::test]
    async fn refuses_at_once_what_does_not_fit_and_recovers() {
        let pool = HashPool::start(1, 1).unwrap();
        let (started, has_started) = channel();
        let (release, released) = channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                    1
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        let mut second = Box::pin(pool.run(|| 2));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(pool.run(|| 3).await.is_err());
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(pool.run(|| 4).await.unwrap(), 4);
    }

    #[actix_web::test]
    async fn a_panic_costs_one_job_and_no_thread() {
        let pool = HashPool::start(1, 1).unwrap();
        let panicked: Result<(), Busy> = pool.run(|| panic!("on purpose")).await;
        assert!(panicked.is_err());
        assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    }
}
