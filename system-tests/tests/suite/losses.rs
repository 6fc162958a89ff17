//! Redis loses all data while clients refresh: no ended session comes back, and no client has to
//! log in again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use system_tests::{
    Deployment, is_accepted, outstay_grace_period, refresh_once_available, wait_until_refused,
};
use test_support::{Client, RedisServer, Tokens, wait_until};
use tokio::task::JoinHandle;

/// Clients that refresh repeatedly, at one replica after the other.
struct Clients {
    tasks: Vec<JoinHandle<Tokens>>,
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
        let mut tasks = Vec::new();
        for _ in 0..number {
            let tokens = auth[0].login("ada").await.tokens();
            tasks.push(tokio::spawn(Self::refresh(auth.clone(), tokens, Arc::clone(&counts))));
        }
        Self { tasks, counts }
    }

    /// Refreshes until the clients are stopped. A 503 is tried again, and a 401 is a failure.
    async fn refresh(auth: [Client; 2], mut tokens: Tokens, counts: Arc<Counts>) -> Tokens {
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

    /// Waits until one of the counts has grown by this number.
    async fn wait_for(&self, more: usize, count: impl Fn(&Counts) -> &AtomicUsize) {
        let count = count(&self.counts);
        let goal = count.load(Ordering::Relaxed) + more;
        wait_until(format!("the clients get {more} more answers"), async || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a client failed");
            count.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    async fn stop(self) -> Vec<Tokens> {
        self.counts.stop.store(true, Ordering::Relaxed);
        join_all(self.tasks).await.into_iter().map(Result::unwrap).collect()
    }
}

/// A session of which a thief has an old refresh token, and the user has the newest tokens.
struct Stolen {
    old: Tokens,
    newest: Tokens,
}

impl Stolen {
    /// Logs in, and rotates the token this many times.
    async fn new(auth: &Client, rotations: usize) -> Self {
        let old = auth.login("ada").await.tokens();
        let mut newest = old.clone();
        for _ in 0..rotations {
            newest = auth.refreshed(&newest.refresh).await;
        }
        Self { old, newest }
    }
}

/// The sessions of a test, before Redis loses its data.
struct Sessions {
    ended: Vec<Tokens>,
    /// Sessions whose user is the first to use a token after the loss.
    used_by_user: Vec<Stolen>,
    /// Sessions whose thief is the first to use a token after the loss.
    used_by_thief: Vec<Stolen>,
}

/// Grace period of the replicas, in seconds.
const GRACE: (&str, &str) = ("REFRESH_GRACE", "3");

impl Sessions {
    async fn create(auth: &[Client; 2]) -> Self {
        let mut ended = Vec::new();
        for rotations in 0..4 {
            let Stolen { old, newest } = Stolen::new(&auth[0], rotations).await;
            assert_eq!(auth[1].logout(&newest).await.status, 204);
            ended.extend([old, newest]);
        }
        let mut used_by_user = Vec::new();
        let mut used_by_thief = Vec::new();
        for rotations in [1, 2, 3] {
            used_by_user.push(Stolen::new(&auth[0], rotations).await);
            used_by_thief.push(Stolen::new(&auth[1], rotations).await);
        }
        let sessions = Self { ended, used_by_user, used_by_thief };
        let last = &sessions.used_by_thief.last().unwrap().newest;
        outstay_grace_period(&auth[0], last, 3000).await;
        sessions
    }
}

/// Asserts that no ended session comes back after Redis has lost all data. Needs a runtime with
/// several threads: the start of a replica blocks a thread, and a client that is blocked for too
/// long finds that the server has closed its connection.
async fn assert_nothing_comes_back(lose: impl AsyncFnOnce(&mut RedisServer, &Clients)) {
    let mut redis = RedisServer::start_with_snapshots();
    let settings = [("REDIS_URL", &*redis.url()), GRACE];
    let mut deployment = Deployment::start_with(2, &settings).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let (_resource, resource) = deployment.resource_service(&deployment.addr(0), &[]).await;
    assert_eq!(auth[0].register("ada").await.status, 201);
    let clients = Clients::start(8, &auth).await;
    let sessions = Sessions::create(&auth).await;

    lose(&mut redis, &clients).await;

    let third = deployment.add_replica(&[]).await;
    let (_later, later) = deployment.resource_service(&deployment.addr(2), &[]).await;
    for tokens in &sessions.ended {
        for auth in auth.iter().chain([&third]) {
            let answer = refresh_once_available(auth, &tokens.refresh).await;
            answer.assert_problem(401, "token_not_valid");
        }
        assert!(!is_accepted(&resource, tokens).await && !is_accepted(&later, tokens).await);
    }
    // The user first: the thief's older token is refused, and its use ends the session.
    for Stolen { old, newest } in &sessions.used_by_user {
        let next = auth[1].refreshed(&newest.refresh).await;
        auth[0].refresh(&old.refresh).await.assert_problem(401, "token_not_valid");
        auth[1].refresh(&next.refresh).await.assert_problem(401, "token_not_valid");
        wait_until_refused(&resource, &next).await;
    }
    // The thief first: the database knows the generation of the newer token, so the session ends.
    for Stolen { old, newest } in &sessions.used_by_thief {
        auth[0].refresh(&old.refresh).await.assert_problem(401, "token_not_valid");
        auth[1].refresh(&newest.refresh).await.assert_problem(401, "token_not_valid");
        wait_until_refused(&resource, newest).await;
    }
    clients.wait_for(80, |counts| &counts.refreshed).await;
    for tokens in clients.stop().await {
        assert!(is_accepted(&resource, &tokens).await && is_accepted(&later, &tokens).await);
        third.refreshed(&tokens.refresh).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_ended_session_comes_back_when_redis_is_flushed() {
    assert_nothing_comes_back(async |redis: &mut RedisServer, clients: &Clients| {
        clients.wait_for(80, |counts| &counts.refreshed).await;
        redis.wipe();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_ended_session_comes_back_when_redis_restarts_without_data() {
    assert_nothing_comes_back(async |redis: &mut RedisServer, clients: &Clients| {
        clients.wait_for(80, |counts| &counts.refreshed).await;
        redis.stop();
        clients.wait_for(16, |counts| &counts.unavailable).await;
        redis.restart();
        clients.wait_for(16, |counts| &counts.refreshed).await;
    })
    .await;
}
