//! Carries a plan out on two replicas, and says what came of it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use futures_util::future::join_all;
use test_support::{PostgresServer, Proxy, RedisServer};

use super::{
    ask::{User, World},
    check::LEARNED,
    client::Client,
    faults::{Breakable, BreakableRedis, redis_url},
    plan::{CLIENTS, Plan, REPLICAS},
    record::{Disturbance, History, Moment, Operation, Recorder},
};
use crate::Deployment;

/// The grace period of the replicas.
const GRACE: Duration = Duration::from_secs(3);
/// How many people there are. Each has several clients.
const USERS: usize = 4;

/// What Redis finds on its disk when it comes back from a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All but the last moments: an append-only file.
    AppendOnly,
    /// What there was a while ago.
    Snapshots,
}

/// What came of a plan.
///
/// # Panics
/// If the replicas do not recover.
pub async fn run(plan: Plan, memory: Memory) -> History {
    let database = PostgresServer::start();
    let redis = match memory {
        Memory::AppendOnly => RedisServer::start(),
        Memory::Snapshots => RedisServer::start_with_snapshots(),
    };
    let database_link = Proxy::to(address(&database.url()));
    let redis_links = [(); REPLICAS].map(|()| Proxy::to(redis.addr()));
    let database_url = database.url().replace(&address(&database.url()), &database_link.addr().to_string());
    let grace = GRACE.as_secs().to_string();
    let settings = [
        ("DATABASE_URL", database_url.as_str()),
        ("REDIS_URL", &redis.url()),
        ("REFRESH_GRACE", &grace),
        ("HASH_QUEUE", "100"),
    ];
    let mut deployment = Deployment::on(&settings).await;
    for link in &redis_links {
        deployment.add_replica(&[("REDIS_URL", &redis_url(link))]).await;
    }
    let mut users = Vec::new();
    for number in 0..USERS {
        let name = format!("user-{number}");
        let answer = deployment.client(0).register(&name).await;
        users.push(User { name, id: answer.json["id"].as_str().expect("an id").to_owned() });
    }
    let addrs: Vec<SocketAddr> = deployment.auth.iter().map(|replica| replica.addr(0)).collect();
    let world = Arc::new(World { doors: Doors::new(Recorder::new(GRACE), &addrs), users });

    let redis = BreakableRedis {
        server: redis,
        links: redis_links,
        memory,
        saved_at: Moment::ZERO,
        world: Arc::clone(&world),
    };
    let mut breakable = Breakable { redis, database, database_link, deployment, world: Arc::clone(&world) };
    let (done, is_done) = mpsc::channel();
    let storms = plan.storms;
    let breaking = tokio::task::spawn_blocking(move || {
        breakable.go_through(&storms, &is_done);
        breakable
    });
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|number| Client::new(number, Arc::clone(&world))).collect();
    join_all(clients.iter_mut().zip(plan.clients).map(|(client, steps)| client.carry_out(steps))).await;
    drop(done);
    let breakable = breaking.await.expect("all that was broken is mended");

    for replica in 0..REPLICAS {
        breakable.deployment.client(replica).wait_for_status("/readyz", 200).await;
    }
    // Until then nobody can say that a replica should have learned of it.
    tokio::time::sleep(LEARNED).await;
    world.doors.recorder.history().healthy_since = Some(world.doors.now());
    join_all(clients.iter_mut().map(Client::probe)).await;
    std::mem::take(&mut *world.doors.recorder.history())
}

/// Where replicas are to be found, and what is written down of them.
pub struct Doors {
    recorder: Recorder,
    /// None while nobody is behind it, as a load balancer would know.
    doors: [Mutex<Option<Arc<Proxy>>>; REPLICAS],
}

impl Doors {
    fn new(recorder: Recorder, replicas: &[SocketAddr]) -> Self {
        let this = Self { recorder, doors: Default::default() };
        for (number, addr) in replicas.iter().enumerate() {
            this.lead(number, *addr);
        }
        this
    }

    pub fn now(&self) -> Moment {
        self.recorder.now()
    }

    pub fn grace(&self) -> Duration {
        self.recorder.history().grace
    }

    pub fn write_down(&self, operation: Operation) {
        self.recorder.history().operations.push(operation);
    }

    pub fn write_down_broken(&self, disturbance: Disturbance) {
        self.recorder.history().disturbances.push(disturbance);
    }

    /// This door, or else another that is open: which, and its address.
    pub fn open(&self, replica: usize) -> (usize, SocketAddr) {
        let open = (0..REPLICAS).map(|further| (replica + further) % REPLICAS).find_map(|number| {
            let door = self.doors[number].lock().unwrap_or_else(PoisonError::into_inner);
            door.as_ref().map(|proxy| (number, proxy.addr()))
        });
        open.expect("one replica at least")
    }

    /// Opens a door to the replica at this address.
    pub fn lead(&self, replica: usize, addr: SocketAddr) {
        let proxy = Arc::new(Proxy::to(addr.to_string()));
        *self.doors[replica].lock().unwrap_or_else(PoisonError::into_inner) = Some(proxy);
    }

    /// Closes a door. Whoever is inside is cut off.
    pub fn close(&self, replica: usize) {
        let door = self.doors[replica].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(proxy) = door {
            proxy.cut();
        }
    }
}

/// The host and port of a URL.
fn address(url: &str) -> String {
    let (_, rest) = url.split_once("://").expect("a URL");
    let host = rest.split('/').next().unwrap_or_default();
    host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned()
}
