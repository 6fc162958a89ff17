//! Carries out a plan on two replicas, and returns the history.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use test_support::{PostgresServer, Proxy};

use super::{
    check::LEARNED,
    client::Client,
    faults::{FaultyDatabase, FaultyRedis, FaultyReplicas, FaultySystem, Persistence, redis_url},
    plan::{CLIENTS, Plan, REPLICAS, Step},
    record::{History, Moment, Recorder},
    world::{LoadBalancer, User, World},
};
use crate::Deployment;

/// Grace period of the replicas.
const GRACE: Duration = Duration::from_secs(3);
/// Number of users. Each user has several clients.
const USERS: usize = 4;
/// Maximum time until a replica is ready after the last fault.
const RECOVERY: Duration = Duration::from_secs(20);

/// Carries out a plan, and returns the history.
///
/// # Panics
/// If the replicas do not recover.
pub async fn run(plan: Plan, persistence: Persistence) -> History {
    let (mut system, world) = start(persistence).await;
    let (done, is_done) = mpsc::channel();
    let faults = plan.faults;
    let injecting = tokio::task::spawn_blocking(move || {
        system.inject(&faults, &is_done);
        system
    });
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|number| Client::new(number, Arc::clone(&world))).collect();
    let carry_out = |(client, steps): (_, Vec<Step>)| Client::carry_out(client, steps);
    join_all(clients.iter_mut().zip(plan.clients).map(carry_out)).await;
    drop(done);
    let system = injecting.await.expect("every fault is over");

    wait_until_recovered(&system.replicas.deployment).await;
    world.recorder.mark_healthy();
    join_all(clients.iter_mut().map(Client::probe)).await;
    world.recorder.take()
}

async fn start(persistence: Persistence) -> (FaultySystem, Arc<World>) {
    let database = PostgresServer::start();
    let redis = FaultyRedis::start_server(persistence);
    let database_addr = format!("127.0.0.1:{}", database.port());
    let database_proxy = Proxy::to(&database_addr);
    let redis_proxies = [(); REPLICAS].map(|()| Proxy::to(redis.addr()));
    let redis_urls = redis_proxies.each_ref().map(redis_url);
    let database_url = database.url().replace(&database_addr, &database_proxy.addr().to_string());
    let grace = GRACE.as_secs().to_string();
    let settings = [
        ("DATABASE_URL", database_url.as_str()),
        ("REDIS_URL", &redis.url()),
        ("REFRESH_GRACE", &grace),
        ("HASH_QUEUE", "100"),
    ];
    let mut deployment = Deployment::without_replicas(&settings).await;
    for url in &redis_urls {
        deployment.add_replica(&[("REDIS_URL", url)]).await;
    }
    let users = register_users(&deployment).await;
    let world = World { recorder: Recorder::new(GRACE), balancer: LoadBalancer::default(), users };
    for (number, replica) in deployment.auth.iter().enumerate() {
        world.balancer.add(number, replica.addr(0));
    }
    let world = Arc::new(world);

    let redis = FaultyRedis {
        server: redis,
        proxies: redis_proxies,
        persistence,
        saved_at: Moment::ZERO,
        world: Arc::clone(&world),
    };
    let database =
        FaultyDatabase { server: database, proxy: database_proxy, world: Arc::clone(&world) };
    let replicas = FaultyReplicas { deployment, redis_urls, world: Arc::clone(&world) };
    (FaultySystem { redis, database, replicas }, world)
}

async fn register_users(deployment: &Deployment) -> Vec<User> {
    let mut users = Vec::new();
    for number in 0..USERS {
        let name = format!("user-{number}");
        let answer = deployment.client(0).register(&name).await;
        let id = answer.json["id"].as_str().expect("an id").to_owned();
        users.push(User { name, id });
    }
    users
}

async fn wait_until_recovered(deployment: &Deployment) {
    for replica in 0..REPLICAS {
        let began = Instant::now();
        deployment.client(replica).wait_for_status("/readyz", 200).await;
        assert!(began.elapsed() < RECOVERY, "ready after {:?}", began.elapsed());
    }
    // Before this time, a replica may not have learned of a session's end.
    tokio::time::sleep(LEARNED).await;
}
