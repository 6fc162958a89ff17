use std::{net::Ipv4Addr, sync::mpsc::channel};

use bcrypt_lanes::{Digest, Input};
use futures_util::FutureExt;

use super::*;

const CLIENT: AddressPrefix = AddressPrefix::Unknown;

fn pool(threads: usize, queue: usize) -> HashPool {
    HashPool::start(threads, queue, HashPoolMetrics::default()).unwrap()
}

async fn run<T: Send + 'static>(pool: &HashPool, job: HashJob<T>) -> Result<T, HashPoolBusy> {
    pool.run(pool.acquire(CLIENT).await?, job).await
}

fn other<T>(compute: impl FnOnce() -> T + Send + 'static) -> HashJob<T> {
    HashJob::Other("pbkdf2", Box::new(move || HashJob::Done(compute())))
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

fn client(number: u8) -> AddressPrefix {
    AddressPrefix::V4(Ipv4Addr::new(192, 0, 2, number))
}

/// Returns the permits that a client gets without waiting.
async fn permits_of(pool: &HashPool, number: u8) -> Vec<QueuePermit> {
    let mut permits = Vec::new();
    while let Some(permit) = pool.acquire(client(number)).now_or_never() {
        permits.push(permit.unwrap());
    }
    permits
}

#[actix_web::test]
async fn no_address_holds_more_places_than_it_leaves_free() {
    let pool = pool(1, 16);
    let mut held = Vec::new();
    for (number, count) in [(1, 8), (2, 4), (3, 2), (4, 1), (5, 1), (6, 0)] {
        let permits = permits_of(&pool, number).await;
        assert_eq!(permits.len(), count, "{number}");
        held.push(permits);
    }
    held.remove(0);
    assert_eq!(permits_of(&pool, 1).await.len(), 4, "half of the eight that are free");
    drop(held);
    assert_eq!(permits_of(&pool, 1).await.len(), 8);
}

#[actix_web::test]
async fn waiting_addresses_get_places_in_turns() {
    let pool = pool(1, 1);
    let first = pool.acquire(client(1)).await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..50 {
        let mut waiting = Box::pin(pool.acquire(client(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        flood.push(waiting);
    }
    let mut other = Box::pin(pool.acquire(client(2)));
    assert!(other.as_mut().now_or_never().is_none());
    drop(first);
    let second = flood.remove(0).now_or_never().expect("the place of the first").unwrap();
    drop(second);
    assert!(other.now_or_never().is_some(), "another client waited for the whole flood");
}

#[actix_web::test]
async fn thread_starts_the_jobs_of_addresses_in_turns() {
    let pool = pool(1, 1000);
    let (started, has_started) = channel();
    let (release, released) = channel::<()>();
    let hold = move || {
        started.send(()).unwrap();
        released.recv().unwrap();
    };
    let mut held = Box::pin(run(&pool, other(hold)));
    assert!(held.as_mut().now_or_never().is_none());
    tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
    let (ran, order) = channel();
    let mut jobs = Vec::new();
    for number in [1, 1, 1, 1, 2, 3, 2] {
        let permit = pool.acquire(client(number)).await.unwrap();
        let ran = ran.clone();
        let mut job = Box::pin(pool.run(permit, other(move || ran.send(number).unwrap())));
        assert!(job.as_mut().now_or_never().is_none());
        jobs.push(job);
    }
    release.send(()).unwrap();
    held.await.unwrap();
    for job in jobs {
        job.await.unwrap();
    }
    drop(ran);
    assert_eq!(order.iter().collect::<Vec<u8>>(), [1, 2, 3, 1, 2, 1, 1]);
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
