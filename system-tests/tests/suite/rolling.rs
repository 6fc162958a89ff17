//! A rolling restart of all replicas behind the proxy, under load: no request fails.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use system_tests::{Deployment, is_accepted};
use test_support::{Client, Nginx, Process, free_port, wait_until};
use tokio::task::JoinHandle;

const REPLICAS: usize = 3;
const USERS: usize = 4;

/// Lets a replica serve for one more second after SIGTERM, until the proxy has noticed.
const SHUTDOWN_DELAY: (&str, &str) = ("SHUTDOWN_DELAY", "1");

#[derive(Clone, Copy)]
enum Service {
    Auth,
    Resource,
}

/// A replica of a service, which can be started again at its address.
struct Replica {
    service: Service,
    addr: SocketAddr,
    process: Process,
}

/// Replicas of both services behind a proxy.
struct Stack {
    deployment: Deployment,
    replicas: Vec<Replica>,
    nginx: Nginx,
}

impl Stack {
    async fn start() -> Self {
        let deployment = Deployment::start_with(1, &[]).await;
        let mut replicas = Vec::new();
        for service in [Service::Auth, Service::Resource] {
            for _ in 0..REPLICAS {
                let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
                let process = start(&deployment, service, addr).await;
                replicas.push(Replica { service, addr, process });
            }
        }
        let (auth, resource) = addrs(&replicas, None);
        let nginx = Nginx::in_front_of_replicas(&auth, &resource);
        Self { deployment, replicas, nginx }
    }

    /// Restarts a replica, which gets no requests from the proxy during the restart.
    async fn restart(&mut self, number: usize) {
        let Replica { service, addr, ref mut process } = self.replicas[number];
        process.send_sigterm();
        let status = tokio::task::block_in_place(|| process.wait());
        assert!(status.success(), "{status}: {}", process.log());
        self.replicas[number].process = start(&self.deployment, service, addr).await;
    }

    /// Lets the proxy forward to all replicas except this one.
    fn forward_without(&self, excluded: Option<SocketAddr>) {
        let (auth, resource) = addrs(&self.replicas, excluded);
        self.nginx.reload(&auth, &resource);
    }
}

/// Returns the addresses of auth-service and of resource-service.
fn addrs(replicas: &[Replica], excluded: Option<SocketAddr>) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let included = replicas.iter().filter(|replica| Some(replica.addr) != excluded);
    let (auth, resource): (Vec<_>, Vec<_>) =
        included.partition(|replica| matches!(replica.service, Service::Auth));
    let addrs = |replicas: Vec<&Replica>| replicas.iter().map(|replica| replica.addr).collect();
    (addrs(auth), addrs(resource))
}

async fn start(deployment: &Deployment, service: Service, addr: SocketAddr) -> Process {
    let text = addr.to_string();
    let process = match service {
        Service::Auth => deployment.start_replica(&[("AUTH_ADDR", &text), SHUTDOWN_DELAY]),
        Service::Resource => {
            let settings = [("RESOURCE_ADDR", text.as_str()), SHUTDOWN_DELAY];
            deployment.start_resource_service(&deployment.addr(0), &settings)
        }
    };
    Client::new(addr).wait_for_status("/readyz", 200).await;
    process
}

/// Users that log in, refresh, call resource-service and log out, again and again.
struct Users {
    tasks: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
}

impl Users {
    fn start(nginx: &Nginx) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let addrs = [nginx.auth_addr(), nginx.resource_addr()];
        let start = |number| {
            let clients = addrs.map(Client::without_keep_alive);
            tokio::spawn(work(number, clients, Arc::clone(&is_over), Arc::clone(&rounds)))
        };
        let tasks = (0..USERS).map(start).collect();
        Self { tasks, is_over, rounds }
    }

    async fn wait_for_more_rounds(&self) {
        let goal = self.rounds.load(Ordering::Acquire) + 2 * USERS;
        wait_until("the users are served", async || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a request failed");
            self.rounds.load(Ordering::Acquire) >= goal
        })
        .await;
    }

    async fn stop(self) -> usize {
        self.is_over.store(true, Ordering::Release);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.rounds.load(Ordering::Acquire)
    }
}

async fn work(
    number: usize,
    [auth, resource]: [Client; 2],
    is_over: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
) {
    let name = format!("user{number}");
    assert_eq!(auth.register(&name).await.status, 201);
    while !is_over.load(Ordering::Acquire) {
        let mut tokens = auth.login(&name).await.tokens();
        for _ in 0..5 {
            tokens = auth.refreshed(&tokens.refresh).await;
            assert!(is_accepted(&resource, &tokens).await);
            rounds.fetch_add(1, Ordering::AcqRel);
        }
        assert_eq!(auth.logout(&tokens).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request() {
    let mut stack = Stack::start().await;
    let users = Users::start(&stack.nginx);
    for number in 0..REPLICAS {
        // One of each service in turn.
        for number in [number, REPLICAS + number] {
            users.wait_for_more_rounds().await;
            stack.forward_without(Some(stack.replicas[number].addr));
            stack.restart(number).await;
            stack.forward_without(None);
        }
    }
    users.wait_for_more_rounds().await;
    println!("{} refreshes and protected calls, none failed", users.stop().await);
}
