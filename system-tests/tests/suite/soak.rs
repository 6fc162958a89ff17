//! Everyday load at half of the machine's maximum: memory does not grow, and no request fails. The
//! test takes ten seconds, unless `SOAK_MINUTES` sets another length:
//!
//! ```sh
//! SOAK_MINUTES=30 scripts/test -E 'test(soak::)' --no-capture
//! ```

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use system_tests::{Deployment, is_accepted};
use test_support::{Client, Process};
use tokio::time::{interval, sleep};

const USERS: u64 = 8;
/// Time for which the maximum is measured.
const FULL_LOAD: Duration = Duration::from_secs(4);
/// Growth that the allocator may cause, in bytes.
const SLACK: usize = 8 << 20;

/// The services under load.
struct Services<'a> {
    auth: &'a Process,
    resource: Client,
}

impl Services<'_> {
    /// Applies load for this time. `pace` is the time between two rounds of a user, or `None` for
    /// full load. Returns the number of rounds.
    async fn load(&self, pace: Option<Duration>, duration: Duration) -> u64 {
        let end = Instant::now() + duration;
        let rounds = Arc::new(AtomicU64::new(0));
        let start = |number| {
            let clients = [Client::new(self.auth.addr(0)), self.resource.clone()];
            tokio::spawn(work(number, clients, pace, end, Arc::clone(&rounds)))
        };
        let tasks: Vec<_> = (0..USERS).map(start).collect();
        for task in tasks {
            task.await.unwrap();
        }
        rounds.load(Ordering::Relaxed)
    }
}

/// Logs in a user, refreshes and calls resource-service ten times, and logs out, until `end`.
async fn work(
    number: u64,
    [auth, resource]: [Client; 2],
    pace: Option<Duration>,
    end: Instant,
    rounds: Arc<AtomicU64>,
) {
    let name = format!("user{number}");
    let mut ticks = pace.map(interval);
    while Instant::now() < end {
        let mut tokens = auth.login(&name).await.tokens();
        for _ in 0..10 {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            tokens = auth.refreshed(&tokens.refresh).await;
            assert!(is_accepted(&resource, &tokens).await);
            rounds.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(auth.logout(&tokens).await.status, 204);
    }
}

/// Returns the length of the test.
fn soak_duration() -> Duration {
    let minutes = env::var("SOAK_MINUTES").ok();
    let minutes = minutes.map(|text| text.parse::<f64>().expect("SOAK_MINUTES is a number"));
    minutes.map_or(Duration::from_secs(10), |minutes| Duration::from_secs_f64(minutes * 60.0))
}

/// Returns twenty samples of the memory of these processes.
async fn sample_memory<const N: usize>(
    processes: [&Process; N],
    duration: Duration,
) -> Vec<[usize; N]> {
    let mut samples = Vec::new();
    let end = Instant::now() + duration;
    while Instant::now() < end {
        sleep(duration / 20).await;
        samples.push(processes.map(Process::memory));
    }
    samples
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_at_half_of_the_maximum_load() {
    let duration = soak_duration();
    let deployment = Deployment::start_with(1, &[]).await;
    let auth = &deployment.auth[0];
    let (process, resource) = deployment.resource_service(&deployment.addr(0), &[]).await;
    for number in 0..USERS {
        let answer = deployment.client(0).register(&format!("user{number}")).await;
        assert_eq!(answer.status, 201);
    }

    let services = Services { auth, resource };
    let rounds = services.load(None, FULL_LOAD).await;
    let maximum = rounds as f64 / FULL_LOAD.as_secs_f64();
    let pace = Duration::from_secs_f64(2.0 * USERS as f64 / maximum);
    println!("{maximum:.0} rounds a second at full load; half of that for {duration:?}");
    let (rounds, samples) = tokio::join!(
        services.load(Some(pace), duration),
        sample_memory([auth, &process], duration)
    );

    for (number, service) in ["auth-service", "resource-service"].iter().enumerate() {
        // The first samples are of a service that still fills its caches.
        let first = samples[samples.len() / 4][number];
        let last = samples.last().expect("a sample")[number];
        let [first_mb, last_mb] = [first, last].map(|bytes| bytes as f64 / 1e6);
        println!("{service}: {first_mb:.1} MB at a quarter, {last_mb:.1} MB at the end");
        assert!(last < first + first / 10 + SLACK, "{service} grows: {samples:?}");
    }
    println!("{rounds} rounds of a refresh and a protected call, none failed");
}
