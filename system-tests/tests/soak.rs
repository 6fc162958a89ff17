//! Hours of everyday work, at half of what the machine can do: memory stays as it is, and nothing fails. Ten seconds, unless
//! SOAK_MINUTES says how long:
//!
//! ```sh
//! SOAK_MINUTES=30 scripts/test -E 'binary(soak)' --no-capture
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

const PEOPLE: u64 = 8;
/// How long the maximum is measured.
const FLAT_OUT: Duration = Duration::from_secs(4);
/// What the allocator may keep for itself, in bytes.
const SLACK: usize = 8 << 20;

/// One person, who refreshes and calls what is protected, logs out after ten times, and comes back.
async fn person(
    number: u64,
    auth: Client,
    resource: Client,
    pace: Option<Duration>,
    until: Instant,
    done: Arc<AtomicU64>,
) {
    let name = format!("person{number}");
    let mut ticks = pace.map(interval);
    while Instant::now() < until {
        let mut tokens = auth.login(&name).await.tokens();
        for _ in 0..10 {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            tokens = auth.refreshed(&tokens.refresh).await;
            assert!(is_accepted(&resource, &tokens).await);
            done.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(auth.logout(&tokens).await.status, 204);
    }
}

/// Has everybody work for this long, and says how many rounds they made.
async fn work(auth: &Process, resource: &Client, pace: Option<Duration>, duration: Duration) -> u64 {
    let (until, done) = (Instant::now() + duration, Arc::new(AtomicU64::new(0)));
    let people: Vec<_> = (0..PEOPLE)
        .map(|number| {
            let client = Client::new(auth.addr(0));
            tokio::spawn(person(number, client, resource.clone(), pace, until, Arc::clone(&done)))
        })
        .collect();
    for person in people {
        person.await.unwrap();
    }
    done.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_at_half_of_the_maximum_leaves_memory_as_it_is() {
    let minutes = env::var("SOAK_MINUTES").ok().map(|text| text.parse::<f64>().expect("a number"));
    let duration = minutes.map_or(Duration::from_secs(10), |minutes| Duration::from_secs_f64(minutes * 60.0));
    let deployment = Deployment::start_with(1, &[]).await;
    let auth = &deployment.auth[0];
    let (process, resource) = deployment.resource_service(&auth.addr(0).to_string(), &[]).await;
    for number in 0..PEOPLE {
        assert_eq!(deployment.client(0).register(&format!("person{number}")).await.status, 201);
    }

    let maximum = work(auth, &resource, None, FLAT_OUT).await as f64 / FLAT_OUT.as_secs_f64();
    let pace = Duration::from_secs_f64(2.0 * PEOPLE as f64 / maximum);
    println!("{maximum:.0} rounds a second flat out; now half of that for {duration:?}");
    let memory = || [auth.memory(), process.memory()];
    let samples = async {
        let mut samples = Vec::new();
        let end = Instant::now() + duration;
        while Instant::now() < end {
            sleep(duration / 20).await;
            samples.push(memory());
        }
        samples
    };
    let (rounds, samples) = tokio::join!(work(auth, &resource, Some(pace), duration), samples);

    for (number, service) in ["auth-service", "resource-service"].iter().enumerate() {
        let of = |sample: &[usize; 2]| sample[number];
        // The first samples are of a service that still warms up.
        let (first, last) = (of(&samples[samples.len() / 4]), of(samples.last().expect("a sample")));
        println!(
            "{service}: {:.1} MB at a quarter, {:.1} MB at the end",
            first as f64 / 1e6,
            last as f64 / 1e6
        );
        assert!(last < first + first / 10 + SLACK, "{service} grows: {samples:?}");
    }
    println!("{rounds} rounds of a refresh and a protected call, none failed");
}
