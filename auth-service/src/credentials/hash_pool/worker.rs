//! A thread of the hash pool.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError, TryLockError, mpsc::Receiver},
    thread,
};

use bcrypt_lanes::{Digest, Lanes};
use service_kit::traces::SpanGuard;

use super::{CallerWatch, QueuedJob};
use crate::credentials::HashJob;

/// Number of rounds, a millisecond or two, after which a thread yields its core to other threads
/// and looks for a waiting job. A thread that yields more often gets less of a core than its
/// priority allows, because after each yield it waits for its turn.
const ROUNDS_PER_TURN: u32 = 16;

/// Minimum number of rounds between the starts of two hashes. Six hashes together need a hundredth
/// of a second for this many rounds. Hashes that start together also end together, and then the
/// work that follows all of them is due at once.
const ROUNDS_BETWEEN_STARTS: u32 = 96;

type Next = Box<dyn FnOnce(Digest) -> HashJob<()> + Send>;

/// A job that a thread has started.
struct RunningJob {
    caller: CallerWatch,
    _span: SpanGuard,
}

pub(super) struct Worker<'a> {
    queue: &'a Mutex<Receiver<QueuedJob>>,
    lanes: Lanes<(Next, RunningJob)>,
    /// Number of rounds until the next hash may start.
    rounds_until_start: u32,
}

impl<'a> Worker<'a> {
    pub(super) fn new(queue: &'a Mutex<Receiver<QueuedJob>>) -> Self {
        Self { queue, lanes: Lanes::default(), rounds_until_start: 0 }
    }

    /// Runs jobs until the pool is dropped.
    pub(super) fn run(mut self) {
        lower_priority();
        loop {
            if self.lanes.is_empty() {
                let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let received = queue.recv();
                drop(queue);
                let Ok(job) = received else { return };
                self.start(job);
            }
            while self.rounds_until_start == 0
                && !self.lanes.is_full()
                && let Some(job) = self.try_take()
            {
                self.start(job);
            }
            self.rounds_until_start = self.rounds_until_start.saturating_sub(ROUNDS_PER_TURN);
            self.lanes.retain(|(_, job)| job.caller.is_waiting());
            for ((next, job), digest) in self.lanes.advance(ROUNDS_PER_TURN) {
                self.proceed(move || next(digest), job);
            }
            // With a lower priority alone, other threads would wait for the next tick of the
            // scheduler: 4 ms on most systems.
            thread::yield_now();
        }
    }

    /// Takes a job from the queue, unless an idle thread waits for it: that thread holds the lock.
    fn try_take(&self) -> Option<QueuedJob> {
        let queue = match self.queue.try_lock() {
            Ok(queue) => queue,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        queue.try_recv().ok()
    }

    fn start(&mut self, queued: QueuedJob) {
        self.rounds_until_start = ROUNDS_BETWEEN_STARTS;
        let QueuedJob { job, permit, caller } = queued;
        let running = RunningJob { caller, _span: permit.release() };
        self.proceed(move || job, running);
    }

    /// Runs a job until it needs a bcrypt hash or is done. After a panic the job's caller gets
    /// [`HashPoolBusy`](super::HashPoolBusy), and other jobs continue.
    fn proceed(&mut self, next: impl FnOnce() -> HashJob<()>, running: RunningJob) {
        let mut job = catch_unwind(AssertUnwindSafe(next));
        while running.caller.is_waiting() {
            job = match job {
                Ok(HashJob::Done(())) => return,
                Ok(HashJob::Bcrypt(input, next)) => {
                    return self.lanes.push(input, (next, running));
                }
                // The other hashes of this thread wait meanwhile.
                Ok(HashJob::Other(next)) => catch_unwind(AssertUnwindSafe(|| next(()))),
                Err(_) => return log::error!("a hash job panicked"),
            }
        }
    }
}

/// Lowers the priority of this thread on Linux, where each thread has a priority.
///
/// A thread that answers requests then gets three quarters of a core that it shares with a hash
/// thread. A hash thread must not get less: during a flood of logins, refusals keep the cores busy,
/// and no user could log in.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(why) = rustix::process::nice(5) {
        log::warn!("cannot lower the priority of a hash thread: {why}");
    }
}
