//! A Redis Cluster for one test, which the test can stop in part.

use std::ops::RangeInclusive;

use crate::{RedisServer, redis_server, wait_until_blocking};

/// Hash slots of each master.
const SLOTS: [RangeInclusive<u16>; 3] = [0..=5460, 5461..=10922, 10923..=16383];

/// Three masters, each with a replica.
pub struct RedisCluster {
    /// The masters.
    pub masters: Vec<RedisServer>,
    /// The replicas, in the order of their masters.
    pub replicas: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster that replaces a master after one second without an answer.
    pub fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        // Lets a replica take over regardless of when it last received data from its master.
        let always_valid = ["--cluster-replica-validity-factor", "0"];
        let start = |_| RedisServer::start_with(&[&options[..], &always_valid].concat());
        let masters = (0..3).map(start).collect();
        let replicas = (0..3).map(start).collect();
        let cluster = Self { masters, replicas };
        cluster.assign_slots();
        cluster.connect();
        cluster.replicate();
        wait_until_blocking("every server considers the cluster complete", || {
            let is_complete = |server| cluster_info(server).contains("cluster_state:ok");
            cluster.servers().all(is_complete) && cluster.replicas.iter().all(is_in_sync)
        });
        cluster
    }

    fn assign_slots(&self) {
        for (number, (master, slots)) in self.masters.iter().zip(&SLOTS).enumerate() {
            let [first, last] = [slots.start(), slots.end()].map(u16::to_string);
            master.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).unwrap();
            let epoch = (number + 1).to_string();
            master.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).unwrap();
        }
    }

    fn connect(&self) {
        for server in self.servers().skip(1) {
            let port = server.port().to_string();
            self.masters[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port]).unwrap();
        }
        wait_until_blocking("every server knows all six servers", || {
            self.servers().all(|server| cluster_info(server).contains("cluster_known_nodes:6"))
        });
    }

    fn replicate(&self) {
        for (master, replica) in self.masters.iter().zip(&self.replicas) {
            let id: String = master.query(&["CLUSTER", "MYID"]);
            wait_until_blocking("the replica accepts its master", || {
                replica.command(&["CLUSTER", "REPLICATE", &id])
            });
        }
    }

    /// Returns the cluster's URL, which names two of the servers.
    pub fn url(&self) -> String {
        format!("redis-cluster://{},{}/", self.masters[0].addr(), self.masters[1].addr())
    }

    fn servers(&self) -> impl Iterator<Item = &RedisServer> {
        self.masters.iter().chain(&self.replicas)
    }
}

fn cluster_info(server: &RedisServer) -> String {
    server.query(&["CLUSTER", "INFO"])
}

/// Returns whether a replica has all data of its master.
pub(crate) fn is_in_sync(replica: &RedisServer) -> bool {
    redis_server::info(replica.port(), "replication").contains("master_link_status:up")
}
