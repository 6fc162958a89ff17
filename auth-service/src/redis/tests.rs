//! Whom each thread asks.

use std::{
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use redis::cmd;
use test_support::{Proxy, RedisServer};
use tokio::{
    runtime,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

use super::{NO_CERTIFICATES, RedisLink, Server, server::run_id};

/// How long anybody waits for an answer.
const LIMIT: Duration = Duration::from_secs(1);
/// More threads than other tests have in this process: no two share a connection.
const MANY: usize = 1024;

type Task = Box<dyn FnOnce(Arc<RedisLink>) -> LocalBoxFuture<'static, ()> + Send>;

/// A thread that asks over a link, and alone runs what it has begun, as a worker of a service does.
struct Worker(UnboundedSender<Task>);

impl Worker {
    fn of(link: &Arc<RedisLink>) -> Self {
        let (tasks, mut task) = unbounded_channel::<Task>();
        let link = Arc::clone(link);
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                while let Some(task) = task.recv().await {
                    task(Arc::clone(&link)).await;
                }
            });
        });
        Self(tasks)
    }

    /// What comes of it if this worker does it.
    fn does<T: Send + 'static>(&self, task: impl AsyncFnOnce(&RedisLink) -> T + Send + 'static) -> T {
        let (sender, outcome) = sync_channel(1);
        let task =
            |link: Arc<RedisLink>| async move { sender.send(task(&link).await).unwrap() }.boxed_local();
        assert!(self.0.send(Box::new(task)).is_ok());
        outcome.recv().unwrap()
    }

    /// The number that the server has given the connection which this worker asks over.
    fn connection(&self) -> u64 {
        self.does(async |link| {
            link.ask(async |mut asked| cmd("CLIENT").arg("ID").query_async(&mut asked).await).await.unwrap()
        })
    }

    /// Which server answers it.
    fn server(&self) -> String {
        self.does(async |link| link.ask(run_id).await.unwrap())
    }
}

fn link_to(proxy: &Proxy, threads: usize) -> Arc<RedisLink> {
    let server = Server::parse(&format!("redis://{}/", proxy.addr()), &NO_CERTIFICATES).unwrap();
    Arc::new(RedisLink::of_threads(server, LIMIT, threads))
}

fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it never holds");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Two workers, each of which asks over a connection of its own.
struct Two {
    redis: RedisServer,
    proxy: Proxy,
    link: Arc<RedisLink>,
    workers: [Worker; 2],
}

impl Two {
    fn start() -> Self {
        let redis = RedisServer::start();
        let proxy = Proxy::to(redis.addr());
        let link = link_to(&proxy, MANY);
        let workers = [Worker::of(&link), Worker::of(&link)];
        until(|| workers[0].connection() != workers[1].connection());
        Self { redis, proxy, link, workers }
    }

    /// Waits until the connections were given up, which one of the workers notices.
    fn until_given_up(&self) {
        until(|| {
            self.workers[0].does(async |link| link.ping().await);
            self.link.number() == 1
        });
    }
}

#[test]
fn each_thread_asks_over_its_own_connection() {
    let two = Two::start();
    let connections = two.workers.each_ref().map(Worker::connection);
    assert_eq!(connections, two.workers.each_ref().map(Worker::connection));
    // The first serves the thread that opened it.
    assert_eq!(two.proxy.connection_count(), 2);
}

#[test]
fn without_threads_all_ask_over_one() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.addr());
    let link = link_to(&proxy, 0);
    let workers = [Worker::of(&link), Worker::of(&link)];
    assert_eq!(workers[0].connection(), workers[1].connection());
    assert_eq!(proxy.connection_count(), 1);
}

#[test]
fn a_connection_that_leads_to_another_server_is_not_used() {
    let (redis, successor) = (RedisServer::start(), RedisServer::start());
    let proxy = Proxy::to(redis.addr());
    let link = link_to(&proxy, MANY);
    let (one, other) = (Worker::of(&link), Worker::of(&link));
    let server = one.server();
    proxy.redirect_to(successor.addr());
    assert_eq!(other.server(), server);
    let is_left = || {
        // It goes on where it has begun.
        assert_eq!(other.server(), server);
        let clients: String = successor.query(&["CLIENT", "LIST"]);
        proxy.connection_count() == 2 && clients.lines().count() == 1
    };
    until(is_left);
    assert_eq!(link.number(), 0);
}

#[test]
fn when_one_breaks_all_are_replaced_and_that_is_noticed_though_nobody_uses_it() {
    let two = Two::start();
    let before = two.workers.each_ref().map(Worker::connection);
    two.workers[0].does(async |link| link.ping().await);
    assert_eq!(two.link.number(), 0);

    two.redis.query::<usize>(&["CLIENT", "KILL", "ID", &before[1].to_string()]);
    two.until_given_up();
    // Whoever was told to ask over those asks nobody.
    let asked = two.workers[0].does(async |link| link.ask_over(0, run_id).await);
    assert!(asked.is_none());
    for worker in &two.workers {
        assert!(!before.contains(&worker.connection()));
    }
}

#[test]
fn when_one_hangs_all_are_replaced() {
    let two = Two::start();
    two.proxy.blackhole_open();
    two.until_given_up();
    two.workers[1].connection();
}
