//! The pool that hashes passwords: one thread a core, each of which computes several hashes side by side, and a bounded
//! queue. What does not fit waits a moment and is refused, so that a flood of logins slows down nothing but logins.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, TryLockError, Weak,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use bcrypt_lanes::{Lanes, Sum};
use service_kit::traces::{SpanGuard, span};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::{credentials::hash_job::HashJob, metrics::Hashing};

/// After so many rounds, a millisecond or two, a thread gives way to whoever waits for its core, and looks whether a hash
/// waits that it could take in. More often, and it would get less of a core than its priority says: to give way is to wait
/// for a turn.
const ROUNDS: u32 = 16;

/// A thread takes in the next hash no sooner than so many rounds after the last, which six at once need a hundredth of a second
/// for: those that begin together end together, and all that follows them would have to be done at once.
const PAUSE: u32 = 96;

/// How long anybody waits for a place in the queue. Whoever is refused tries again, most of them at once: refused at once,
/// they would keep the cores busy with nothing but that.
const PATIENCE: Duration = Duration::from_secs(1);

/// The queue is full, and stays so.
#[derive(Debug)]
pub struct HashPoolBusy;

/// Threads that hash passwords.
#[derive(Clone, Debug)]
pub struct HashPool {
    places: Arc<Semaphore>,
    queue: Sender<Job>,
    metrics: Hashing,
}

/// A place in the queue, until a thread takes what waits there. Whatever a hash needs is looked up by those who have one,
/// so that a flood is kept from the database too.
#[derive(Debug)]
pub struct QueuePermit {
    _permit: OwnedSemaphorePermit,
    waiting: Waiting,
    part: SpanGuard,
}

impl QueuePermit {
    /// The wait is over, and the hash begins.
    fn leave(self) -> SpanGuard {
        self.waiting.metrics.waits.observe(self.waiting.since.elapsed().as_secs_f64());
        self.part.then("hash")
    }
}

/// Counted among those who wait, until it is dropped.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    metrics: Hashing,
}

impl Waiting {
    fn new(metrics: Hashing) -> Self {
        metrics.queue.inc();
        Self { since: Instant::now(), metrics }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.metrics.queue.dec();
    }
}

/// What somebody waits for, while they are there.
#[derive(Debug)]
struct Job {
    work: HashJob<()>,
    place: QueuePermit,
    waits: Weak<()>,
}

/// Whoever waits, and what a trace says of that.
#[derive(Debug)]
struct Caller {
    waits: Weak<()>,
    _part: SpanGuard,
}

impl Caller {
    /// Nobody wants the answer any more, if not.
    fn is_there(&self) -> bool {
        self.waits.strong_count() > 0
    }
}

impl HashPool {
    /// A pool of `threads` threads with room for `queue` jobs that wait. It ends when its last clone is dropped.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn start(threads: usize, queue: usize, metrics: Hashing) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let queue = Arc::clone(&receiver);
            let worker = move || Worker { queue: &queue, lanes: Lanes::default(), pause: 0 }.run();
            thread::Builder::new().name(format!("hash-{number}")).spawn(worker)?;
        }
        Ok(Self { places: Arc::new(Semaphore::new(queue)), queue: sender, metrics })
    }

    /// Waits for a place in the queue: first come, first served, and not for long.
    ///
    /// # Errors
    /// [`HashPoolBusy`], if there is none after a second.
    pub async fn place(&self) -> Result<QueuePermit, HashPoolBusy> {
        let (waiting, part) = (Waiting::new(self.metrics.clone()), span("wait for a hash"));
        match timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(QueuePermit { _permit: permit, waiting, part }),
            _ => Err(HashPoolBusy),
        }
    }

    /// Does `work` in the pool, until it is done or the caller goes away.
    ///
    /// # Errors
    /// [`HashPoolBusy`], if the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        place: QueuePermit,
        work: HashJob<T>,
    ) -> Result<T, HashPoolBusy> {
        let (answer, answered) = oneshot::channel();
        let caller = Arc::new(());
        // The caller may go away meanwhile. Then nobody wants the answer.
        let work = work.map(|value| drop(answer.send(value)));
        self.queue.send(Job { work, place, waits: Arc::downgrade(&caller) }).map_err(|_| HashPoolBusy)?;
        let answer = answered.await.map_err(|_| HashPoolBusy);
        drop(caller);
        answer
    }
}

type Next = Box<dyn FnOnce(Sum) -> HashJob<()> + Send>;

struct Worker<'a> {
    queue: &'a Mutex<Receiver<Job>>,
    lanes: Lanes<(Next, Caller)>,
    /// How many rounds are to pass before the next hash is taken in.
    pause: u32,
}

impl Worker<'_> {
    fn run(mut self) {
        yield_to_requests();
        loop {
            if self.lanes.is_empty() {
                let next = self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
                let Ok(job) = next else { return };
                self.begin(job);
            }
            while self.pause == 0
                && !self.lanes.is_full()
                && let Some(job) = self.waiting()
            {
                self.begin(job);
            }
            self.pause = self.pause.saturating_sub(ROUNDS);
            self.lanes.retain(|(_, caller)| caller.is_there());
            for ((next, caller), sum) in self.lanes.advance(ROUNDS) {
                self.go_on(move || next(sum), caller);
            }
            // A lower priority alone lets others wait for the next tick of the clock, 4 ms on most systems.
            thread::yield_now();
        }
    }

    /// A job that no other thread is there for: one that has nothing to do holds the lock while it waits.
    fn waiting(&self) -> Option<Job> {
        let queue = match self.queue.try_lock() {
            Ok(queue) => queue,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        queue.try_recv().ok()
    }

    fn begin(&mut self, job: Job) {
        self.pause = PAUSE;
        let Job { work, place, waits } = job;
        let caller = Caller { waits, _part: place.leave() };
        self.go_on(move || work, caller);
    }

    /// Until there is a hash to compute, or nothing. A panic costs this job, which answers [`HashPoolBusy`], and no other.
    fn go_on(&mut self, next: impl FnOnce() -> HashJob<()>, caller: Caller) {
        let mut work = catch_unwind(AssertUnwindSafe(next));
        while caller.is_there() {
            work = match work {
                Ok(HashJob::Done(())) => return,
                Ok(HashJob::Bcrypt(input, next)) => return self.lanes.push(input, (next, caller)),
                // The hashes beside it wait meanwhile.
                Ok(HashJob::Other(next)) => catch_unwind(AssertUnwindSafe(|| next(()))),
                Err(_) => return log::error!("a hash job panicked"),
            }
        }
    }
}

/// Other threads go first: next to one that has to answer a request, a hash gets a quarter of a core. Not less, or a flood
/// of logins that are refused, which is what keeps the cores busy then, would let nobody log in at all. Linux has a
/// priority for each thread; elsewhere, and where it is refused, the system shares as it sees fit.
fn yield_to_requests() {
    #[cfg(target_os = "linux")]
    if let Err(why) = rustix::process::nice(5) {
        log::warn!("hashing does not yield to requests: {why}");
    }
}

#[cfg(test)]
mod tests {
    use bcrypt_lanes::Input;
    use futures_util::FutureExt;
    use prometheus_client::registry::Registry;

    use super::*;

    fn pool(threads: usize, queue: usize) -> HashPool {
        HashPool::start(threads, queue, Hashing::new(&mut Registry::default())).unwrap()
    }

    async fn run<T: Send + 'static>(pool: &HashPool, work: HashJob<T>) -> Result<T, HashPoolBusy> {
        pool.run(pool.place().await?, work).await
    }

    fn other<T>(job: impl FnOnce() -> T + Send + 'static) -> HashJob<T> {
        HashJob::Other(Box::new(move |()| HashJob::Done(job())))
    }

    fn hash(cost: u32) -> HashJob<Sum> {
        HashJob::Bcrypt(Input::new(b"correct horse", [7; 16], cost).unwrap(), Box::new(HashJob::Done))
    }

    /// A hash that takes hours.
    fn endless() -> HashJob<Sum> {
        hash(31)
    }

    #[actix_web::test]
    async fn refuses_what_finds_no_place_and_recovers() {
        let pool = pool(1, 1);
        let (started, has_started) = channel();
        let (release, released) = channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                let job = move || {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                    1
                };
                run(&pool, other(job)).await
            }
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        let mut second = Box::pin(run(&pool, other(|| 2)));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(run(&pool, other(|| 3)).await.is_err());
        assert_eq!(pool.metrics.queue.get(), 1);
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(run(&pool, other(|| 4)).await.unwrap(), 4);
        assert_eq!(pool.metrics.queue.get(), 0);
    }

    #[actix_web::test]
    async fn a_hash_joins_those_that_a_thread_has_begun() {
        let pool = pool(1, 10);
        let mut first = Box::pin(run(&pool, endless()));
        assert!(first.as_mut().now_or_never().is_none());
        let sums = [run(&pool, hash(4)).await.unwrap(), run(&pool, hash(5)).await.unwrap()];
        assert_ne!(sums[0], sums[1]);
        assert!(first.now_or_never().is_none());
    }

    #[actix_web::test]
    async fn a_panic_costs_one_job_and_no_thread() {
        let pool = pool(1, 10);
        let mut beside = Box::pin(run(&pool, endless()));
        assert!(beside.as_mut().now_or_never().is_none());
        let panicked = run(&pool, other(|| panic!("on purpose"))).await;
        assert!(matches!(panicked, Err::<(), _>(HashPoolBusy)));
        let panicked = run(&pool, hash(4).map(|_| panic!("on purpose"))).await;
        assert!(matches!(panicked, Err::<(), _>(HashPoolBusy)));
        assert!(run(&pool, hash(4)).await.is_ok());
        assert!(beside.now_or_never().is_none());
    }

    #[actix_web::test]
    async fn whoever_goes_away_costs_nothing_more() {
        let pool = pool(1, 100);
        let (ran, has_run) = channel();
        let mut gone = Vec::new();
        for _ in 0..20 {
            let ran = ran.clone();
            let mut job = Box::pin(run(&pool, endless().map(move |_| ran.send(()))));
            assert!(job.as_mut().now_or_never().is_none());
            gone.push(job);
        }
        let mut last = Box::pin(run(&pool, hash(4)));
        assert!(last.as_mut().now_or_never().is_none());
        drop((gone, ran));
        assert!(last.await.is_ok());
        assert!(has_run.recv().is_err());
    }

    #[cfg(target_os = "linux")]
    #[actix_web::test]
    async fn hashes_give_way_to_other_threads() {
        let nice = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            fields.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
        };
        assert_eq!(run(&pool(1, 1), other(nice)).await.unwrap(), (nice() + 5).min(19));
    }
}
