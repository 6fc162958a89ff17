use std::sync::mpsc::channel;

use bcrypt_lanes::{Digest, Input};
use futures_util::FutureExt;

use super::*;

fn pool(threads: usize, queue: usize) -> HashPool {
    HashPool::start(threads, queue, HashPoolMetrics::default()).unwrap()
}

async fn run<T: Send + 'static>(pool: &HashPool, job: HashJob<T>) -> Result<T, HashPoolBusy> {
    pool.run(pool.acquire().await?, job).await
}

fn other<T>(compute: impl FnOnce() -> T + Send + 'static) -> HashJob<T> {
    HashJob::Other(Box::new(move |()| HashJob::Done(compute())))
}

fn hash(cost: u32) -> HashJob<Digest> {
    let input = Input::new(b"correct horse", [7; 16], cost).unwrap();
    HashJob::Bcrypt(input, Box::new(HashJob::Done))
}

/// Returns a job that takes hours.
fn endless() -> HashJob<Digest> {
    hash(31)
}

#[actix_web::test]
async fn full_queue_refuses_jobs_and_recovers() {
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
    assert_eq!(pool.metrics.queued.get(), 1);
    release.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(run(&pool, other(|| 4)).await.unwrap(), 4);
    assert_eq!(pool.metrics.queued.get(), 0);
}

#[actix_web::test]
async fn thread_starts_a_hash_while_it_computes_others() {
    let pool = pool(1, 10);
    let mut first = Box::pin(run(&pool, endless()));
    assert!(first.as_mut().now_or_never().is_none());
    let digests = [run(&pool, hash(4)).await.unwrap(), run(&pool, hash(5)).await.unwrap()];
    assert_ne!(digests[0], digests[1]);
    assert!(first.now_or_never().is_none());
}

#[actix_web::test]
async fn panic_ends_only_its_own_job() {
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
async fn job_of_a_dropped_caller_is_abandoned() {
    let pool = pool(1, 100);
    let (ran, has_run) = channel();
    let mut dropped = Vec::new();
    for _ in 0..20 {
        let ran = ran.clone();
        let mut job = Box::pin(run(&pool, endless().map(move |_| ran.send(()))));
        assert!(job.as_mut().now_or_never().is_none());
        dropped.push(job);
    }
    let mut last = Box::pin(run(&pool, hash(4)));
    assert!(last.as_mut().now_or_never().is_none());
    drop((dropped, ran));
    assert!(last.await.is_ok());
    assert!(has_run.recv().is_err());
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn hash_threads_have_a_lower_priority() {
    let nice = || {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
    };
    assert_eq!(run(&pool(1, 1), other(nice)).await.unwrap(), (nice() + 5).min(19));
}
