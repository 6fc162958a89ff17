//! The jobs that wait for a thread of the hash pool.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{queue::QueuedJob, round_robin::RoundRobin};

/// Jobs of all clients. The threads take them from the clients in turns.
#[derive(Default)]
pub struct JobQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: RoundRobin<QueuedJob>,
    /// Number of threads that wait for a job.
    idle_threads: usize,
    is_closed: bool,
}

impl JobQueue {
    pub fn push(&self, job: QueuedJob) {
        let mut state = self.lock();
        state.jobs.push(job.permit.client(), job);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for a job. `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<QueuedJob> {
        let mut state = self.lock();
        loop {
            if let Some((_, job)) = state.jobs.pop_if(|_| true) {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state.idle_threads += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle_threads -= 1;
        }
    }

    /// Takes a job, unless an idle thread waits for it.
    pub fn try_take(&self) -> Option<QueuedJob> {
        let mut state = self.lock();
        if state.idle_threads > 0 {
            return None;
        }
        state.jobs.pop_if(|_| true).map(|(_, job)| job)
    }

    /// Ends the threads, once they have run the jobs in the queue.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
