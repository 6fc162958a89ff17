//! A thread of the hash pool.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use bcrypt_lanes::Lanes;
use service_kit::{metrics::Counters, traces::SpanGuard};

use super::{
    job_queue::JobQueue,
    queue::{CallerWatch, QueuedJob},
};
use crate::credentials::hash_job::{BCRYPT, HashJob, Next};

/// Number of rounds, a millisecond or two, after which a thread yields its core to other threads
/// and looks for a waiting job. A thread that yields more often gets less of a core than its
/// priority allows, because after each yield it waits for its turn.
const ROUNDS_PER_TURN: u32 = 16;

/// Minimum number of rounds between the starts of two hashes. Six hashes together need a hundredth
/// of a second for this many rounds. Hashes that start together also end together, and then the
/// work that follows all of them is due at once.
const ROUNDS_BETWEEN_STARTS: u32 = 96;

/// A job that a thread has started.
struct RunningJob {
    caller: CallerWatch,
    _span: SpanGuard,
}

pub(super) struct Worker {
    queue: Arc<JobQueue>,
    /// Number of hashes, by kind.
    hashes: Counters<1>,
    lanes: Lanes<(Next<()>, RunningJob)>,
    /// Number of rounds until the next hash may start.
    rounds_until_start: u32,
}

impl Worker {
    pub(super) fn new(queue: Arc<JobQueue>, hashes: Counters<1>) -> Self {
        Self { queue, hashes, lanes: Lanes::default(), rounds_until_start: 0 }
    }

    /// Runs jobs until the pool is dropped.
    pub(super) fn run(mut self) {
        lower_priority();
        loop {
            if self.lanes.is_empty() {
                let Some(job) = self.queue.take() else { return };
                self.start(job);
            }
            while self.rounds_until_start == 0
                && !self.lanes.is_full()
                && let Some(job) = self.queue.try_take()
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
                    self.count(BCRYPT);
                    return self.lanes.push(input, (next, running));
                }
                // The other hashes of this thread wait meanwhile.
                Ok(HashJob::Other(kind, next)) => {
                    self.count(kind);
                    catch_unwind(AssertUnwindSafe(next))
                }
                Err(_) => return log::error!("a hash job panicked"),
            }
        }
    }

    fn count(&self, kind: &'static str) {
        self.hashes.get_or_create(&[("kind", kind)]).inc();
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
