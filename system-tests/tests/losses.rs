//! Redis loses everything while people are at work: nothing that has ended comes back, and nobody has to log in again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use system_tests::{Deployment, is_accepted, refresh_once_possible, until_refused};
use test_support::{Client, RedisServer, Tokens, claims_of};

/// Clients that refresh again and again, at one replica after the other.
struct Clients {
    running: Vec<tokio::task::JoinHandle<Tokens>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    refreshed: AtomicUsize,
    unavailable: AtomicUsize,
    stop: AtomicBool,
}

impl Clients {
    async fn start(number: usize, auth: &[Client; 2]) -> Self {
        let counts = Arc::new(Counts::default());
        let mut running = Vec::new();
        for _ in 0..number {
            let tokens = auth[0].login("ada").await.tokens();
            running.push(tokio::spawn(Self::go_on(auth.clone(), tokens, Arc::clone(&counts))));
        }
        Self { running, counts }
    }

    /// Whoever is told to wait tries again, and nobody is told to log in.
    async fn go_on(auth: [Client; 2], mut tokens: Tokens, counts: Arc<Counts>) -> Tokens {
        for auth in auth.iter().cycle() {
            if counts.stop.load(Ordering::Relaxed) {
                break;
            }
            let answer = auth.refresh(&tokens.refresh).await;
            if answer.status == 503 {
                answer.assert_problem(503, "unavailable");
                counts.unavailable.fetch_add(1, Ordering::Relaxed);
            } else {
                assert_eq!(answer.status, 200, "a client has to log in again: {answer:?}");
                tokens = answer.tokens();
                counts.refreshed.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokens
    }

    /// Waits until they have been answered this often from now on.
    async fn go_on_for(&self, times: usize, count: impl Fn(&Counts) -> &AtomicUsize) {
        let (count, deadline) = (count(&self.counts), Instant::now() + Duration::from_secs(30));
        let goal = count.load(Ordering::Relaxed) + times;
        while count.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "the clients do not go on");
            assert!(self.running.iter().all(|client| !client.is_finished()), "a client gave up");
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) -> Vec<Tokens> {
        self.counts.stop.store(true, Ordering::Relaxed);
        join_all(self.running).await.into_iter().map(Result::unwrap).collect()
    }
}

/// Somebody's tokens, and an older refresh token of theirs, this many rotations old, that somebody else has.
async fn stolen(auth: &Client, age: usize) -> (Tokens, Tokens) {
    let old = auth.login("ada").await.tokens();
    let mut newest = old.clone();
    for _ in 0..age {
        newest = auth.refreshed(&newest.refresh).await;
    }
    (old, newest)
}

async fn when_redis_loses_everything_nothing_comes_back(lose: impl AsyncFnOnce(&mut RedisServer, &Clients)) {
    let mut redis = RedisServer::start_with_snapshots();
    let url = redis.url();
    let mut deployment = Deployment::start_with(2, &[("REDIS_URL", &url), ("REFRESH_GRACE", "3")]).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let (_resource, resource) =
        deployment.resource_service(&deployment.auth[0].addr(0).to_string(), &[]).await;
    assert_eq!(auth[0].register("ada").await.status, 201);
    let clients = Clients::start(8, &auth).await;
    let mut gone = Vec::new();
    for refreshes in 0..4 {
        let (old, newest) = stolen(&auth[0], refreshes).await;
        assert_eq!(auth[1].logout(&newest).await.status, 204);
        gone.extend([old, newest]);
    }
    let (mut robbed, mut replayed) = (Vec::new(), Vec::new());
    for age in [1, 2, 3] {
        robbed.push(stolen(&auth[0], age).await);
        replayed.push(stolen(&auth[1], age).await);
    }
    // Until the grace period of all of them is over, by Redis' clock.
    let mut other = auth[0].login("ada").await.tokens();
    let rotated_at = |tokens: &Tokens| claims_of(&tokens.refresh)["rot"].as_i64().unwrap();
    while rotated_at(&other) <= rotated_at(&replayed[2].1) + 3000 {
        other = auth[0].refreshed(&other.refresh).await;
    }

    lose(&mut redis, &clients).await;

    let third = deployment.add_replica(&[]).await;
    let (_later, later) = deployment.resource_service(&deployment.auth[2].addr(0).to_string(), &[]).await;
    for tokens in &gone {
        for auth in auth.iter().chain([&third]) {
            refresh_once_possible(auth, &tokens.refresh).await.assert_problem(401, "token_not_valid");
        }
        assert!(!is_accepted(&resource, tokens).await && !is_accepted(&later, tokens).await);
    }
    // Its owner first: what is older is refused, and whoever has it betrays the session.
    for (old, newest) in &robbed {
        let next = auth[1].refreshed(&newest.refresh).await;
        auth[0].refresh(&old.refresh).await.assert_problem(401, "token_not_valid");
        auth[1].refresh(&next.refresh).await.assert_problem(401, "token_not_valid");
        until_refused(&resource, &next).await;
    }
    // The older one first: nobody can know. The next use of the newer one ends the session.
    for (old, newest) in &replayed {
        let thiefs = auth[0].refreshed(&old.refresh).await;
        auth[1].refresh(&newest.refresh).await.assert_problem(401, "token_not_valid");
        auth[0].refresh(&thiefs.refresh).await.assert_problem(401, "token_not_valid");
        until_refused(&resource, &thiefs).await;
    }
    clients.go_on_for(80, |counts| &counts.refreshed).await;
    for tokens in clients.stop().await {
        assert!(is_accepted(&resource, &tokens).await && is_accepted(&later, &tokens).await);
        third.refreshed(&tokens.refresh).await;
    }
}

#[tokio::test]
async fn nothing_comes_back_when_redis_is_flushed_and_no_client_notices() {
    when_redis_loses_everything_nothing_comes_back(async |redis: &mut RedisServer, clients: &Clients| {
        clients.go_on_for(80, |counts| &counts.refreshed).await;
        redis.wipe();
    })
    .await;
}

#[tokio::test]
async fn nothing_comes_back_when_redis_starts_again_empty_and_clients_wait_no_longer_than_it_is_away() {
    when_redis_loses_everything_nothing_comes_back(async |redis: &mut RedisServer, clients: &Clients| {
        clients.go_on_for(80, |counts| &counts.refreshed).await;
        redis.stop();
        clients.go_on_for(16, |counts| &counts.unavailable).await;
        redis.restart();
        clients.go_on_for(16, |counts| &counts.refreshed).await;
    })
    .await;
}
