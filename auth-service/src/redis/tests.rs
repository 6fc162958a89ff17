//! Which connection each thread uses, and when connections are replaced.

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

use super::{NO_CERTIFICATES, RedisLink, Server, connection::run_id};

/// Maximum time a call may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// More threads than other tests start in this process, so that no two share a connection.
const THREADS: usize = 1024;

type Task = Box<dyn FnOnce(Arc<RedisLink>) -> LocalBoxFuture<'static, ()> + Send>;

/// A thread with its own runtime, like a worker of a service.
struct Worker(UnboundedSender<Task>);

impl Worker {
    fn start(link: &Arc<RedisLink>) -> Self {
        let (sender, mut tasks) = unbounded_channel::<Task>();
        let link = Arc::clone(link);
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                while let Some(task) = tasks.recv().await {
                    task(Arc::clone(&link)).await;
                }
            });
        });
        Self(sender)
    }

    /// Runs a task in this thread, and returns its outcome.
    fn run<T: Send + 'static>(
        &self,
        task: impl AsyncFnOnce(&RedisLink) -> T + Send + 'static,
    ) -> T {
        let (sender, outcome) = sync_channel(1);
        let task = |link: Arc<RedisLink>| {
            async move { sender.send(task(&link).await).unwrap() }.boxed_local()
        };
        assert!(self.0.send(Box::new(task)).is_ok());
        outcome.recv().unwrap()
    }

    /// Returns the server's id of the connection that this worker uses.
    fn connection_id(&self) -> u64 {
        self.run(async |link| {
            let id =
                async |mut connection| cmd("CLIENT").arg("ID").query_async(&mut connection).await;
            link.call(id).await.unwrap()
        })
    }

    /// Returns the `run_id` of the server that answers this worker.
    fn run_id(&self) -> String {
        self.run(async |link| link.call(run_id).await.unwrap())
    }
}

fn link_to(proxy: &Proxy, threads: usize) -> Arc<RedisLink> {
    let url = format!("redis://{}/", proxy.addr());
    let server = Server::parse(&url, &NO_CERTIFICATES).unwrap();
    Arc::new(RedisLink::with_connection_per_thread(server, TIMEOUT, threads))
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not become true");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Two workers, each with its own connection.
struct TwoWorkers {
    redis: RedisServer,
    proxy: Proxy,
    link: Arc<RedisLink>,
    workers: [Worker; 2],
}

impl TwoWorkers {
    fn start() -> Self {
        let redis = RedisServer::start();
        let proxy = Proxy::to(redis.addr());
        let link = link_to(&proxy, THREADS);
        let workers = [Worker::start(&link), Worker::start(&link)];
        wait_until(|| workers[0].connection_id() != workers[1].connection_id());
        Self { redis, proxy, link, workers }
    }

    fn connection_ids(&self) -> [u64; 2] {
        self.workers.each_ref().map(Worker::connection_id)
    }

    /// Waits until the first worker has detected the failure.
    fn wait_for_replacement(&self) {
        wait_until(|| {
            self.workers[0].run(async |link| link.ping().await);
            self.link.epoch() == 1
        });
    }
}

#[test]
fn each_thread_uses_its_own_connection() {
    let two = TwoWorkers::start();
    assert_eq!(two.connection_ids(), two.connection_ids());
    // The first connection belongs to the thread that opened it.
    assert_eq!(two.proxy.connection_count(), 2);
}

#[test]
fn all_threads_share_one_connection_by_default() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.addr());
    let link = link_to(&proxy, 0);
    let workers = [Worker::start(&link), Worker::start(&link)];
    assert_eq!(workers[0].connection_id(), workers[1].connection_id());
    assert_eq!(proxy.connection_count(), 1);
}

#[test]
fn connection_to_another_server_is_not_used() {
    let redis = RedisServer::start();
    let successor = RedisServer::start();
    let proxy = Proxy::to(redis.addr());
    let link = link_to(&proxy, THREADS);
    let first = Worker::start(&link);
    let second = Worker::start(&link);
    let run_id = first.run_id();
    proxy.redirect_to(successor.addr());
    assert_eq!(second.run_id(), run_id);
    wait_until(|| {
        // The worker keeps the first connection.
        assert_eq!(second.run_id(), run_id);
        let clients: String = successor.query(&["CLIENT", "LIST"]);
        // One of them is this test's.
        proxy.connection_count() == 2 && clients.lines().count() == 1
    });
    assert_eq!(link.epoch(), 0);
}

#[test]
fn all_connections_are_replaced_when_an_idle_one_breaks() {
    let two = TwoWorkers::start();
    let before = two.connection_ids();
    two.workers[0].run(async |link| link.ping().await);
    assert_eq!(two.link.epoch(), 0);

    two.redis.query::<usize>(&["CLIENT", "KILL", "ID", &before[1].to_string()]);
    two.wait_for_replacement();
    // A call at the previous epoch is not sent.
    let answer = two.workers[0].run(async |link| link.call_at_epoch(0, run_id).await);
    assert!(answer.is_none());
    for id in two.connection_ids() {
        assert!(!before.contains(&id));
    }
}

#[test]
fn all_connections_are_replaced_when_one_hangs() {
    let two = TwoWorkers::start();
    two.proxy.blackhole_open();
    two.wait_for_replacement();
    two.workers[1].connection_id();
}
