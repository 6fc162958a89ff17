//! A rolling restart of all replicas behind the proxy, while people log in, refresh and call what is protected: nobody
//! notices.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use system_tests::{Deployment, is_accepted};
use test_support::{Client, Nginx, Process, free_port, program, until};

const REPLICAS: usize = 3;
const PEOPLE: usize = 4;

/// A replica, which can be started again at its address.
struct Replica {
    addr: SocketAddr,
    process: Process,
}

/// What the proxy leads to.
struct Stack {
    deployment: Deployment,
    auth: Vec<Replica>,
    resource: Vec<Replica>,
    nginx: Nginx,
}

/// Goes on for a second after it was told to end: the proxy knows by then.
const DRAIN: (&str, &str) = ("SHUTDOWN_DELAY", "1");

impl Stack {
    async fn start() -> Self {
        let mut deployment = Deployment::start_with(1, &[]).await;
        let addrs = || (0..REPLICAS).map(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let auth_addrs: Vec<_> = addrs().collect();
        let mut auth = Vec::new();
        for addr in auth_addrs {
            auth.push(Replica { addr, process: start_auth(&deployment, addr).await });
        }
        let resource_addrs: Vec<_> = addrs().collect();
        let mut resource = Vec::new();
        for addr in resource_addrs {
            resource.push(Replica { addr, process: start_resource(&deployment, addr).await });
        }
        let all = |replicas: &[Replica]| replicas.iter().map(|replica| replica.addr).collect::<Vec<_>>();
        let nginx = Nginx::in_front_of_replicas(&all(&auth), &all(&resource));
        deployment.auth.truncate(1);
        Self { deployment, auth, resource, nginx }
    }

    /// Has the proxy lead to all replicas but this one.
    fn without(&self, gone: Option<SocketAddr>) {
        let rest = |replicas: &[Replica]| {
            let addrs = replicas.iter().map(|replica| replica.addr);
            addrs.filter(|addr| Some(*addr) != gone).collect::<Vec<_>>()
        };
        self.nginx.reload(&rest(&self.auth), &rest(&self.resource));
    }
}

async fn start_auth(deployment: &Deployment, addr: SocketAddr) -> Process {
    let process = deployment.replica(&[("AUTH_ADDR", &addr.to_string()), DRAIN]);
    Client::new(addr).wait_for_status("/readyz", 200).await;
    process
}

async fn start_resource(deployment: &Deployment, addr: SocketAddr) -> Process {
    let settings = deployment.resource_settings(&deployment.auth[0].addr(0).to_string());
    let mut env: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let addr_text = addr.to_string();
    env.extend([("RESOURCE_ADDR", addr_text.as_str()), DRAIN]);
    let process = Process::start(&program("resource-service"), 1, &env);
    Client::new(addr).wait_for_status("/readyz", 200).await;
    process
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_rolling_restart() {
    let mut stack = Stack::start().await;
    let (auth, resource) = (stack.nginx.auth_addr(), stack.nginx.resource_addr());
    let (over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let (over, rounds) = (Arc::clone(&over), Arc::clone(&rounds));
        people.push(tokio::spawn(async move {
            let [auth, resource] = [auth, resource].map(Client::without_keep_alive);
            let name = format!("person{number}");
            assert_eq!(auth.register(&name).await.status, 201);
            while !over.load(Ordering::Acquire) {
                let mut tokens = auth.login(&name).await.tokens();
                for _ in 0..5 {
                    tokens = auth.refreshed(&tokens.refresh).await;
                    assert!(is_accepted(&resource, &tokens).await);
                    rounds.fetch_add(1, Ordering::AcqRel);
                }
                assert_eq!(auth.logout(&tokens).await.status, 204);
            }
        }));
    }
    let more_rounds = |rounds: Arc<AtomicUsize>| {
        let goal = rounds.load(Ordering::Acquire) + 2 * PEOPLE;
        tokio::task::spawn_blocking(move || {
            until("people go on", || rounds.load(Ordering::Acquire) >= goal);
        })
    };

    for number in 0..REPLICAS {
        for is_auth in [true, false] {
            let addr = if is_auth { stack.auth[number].addr } else { stack.resource[number].addr };
            more_rounds(Arc::clone(&rounds)).await.unwrap();
            stack.without(Some(addr));
            let replica = if is_auth { &mut stack.auth[number] } else { &mut stack.resource[number] };
            replica.process.send_sigterm();
            let status = tokio::task::block_in_place(|| replica.process.wait());
            assert!(status.success(), "{status}: {}", replica.process.log());
            let process = if is_auth {
                start_auth(&stack.deployment, addr).await
            } else {
                start_resource(&stack.deployment, addr).await
            };
            let replica = if is_auth { &mut stack.auth[number] } else { &mut stack.resource[number] };
            replica.process = process;
            stack.without(None);
        }
    }

    more_rounds(Arc::clone(&rounds)).await.unwrap();
    over.store(true, Ordering::Release);
    for person in people {
        person.await.unwrap();
    }
    println!("{} refreshes and protected calls, none failed", rounds.load(Ordering::Acquire));
}
