//! A Redis Cluster of a test's own, of which servers can be stopped.

use std::ops::RangeInclusive;

use crate::{RedisServer, wait::until};

/// Which of the hash slots a master has.
const SLOTS: [RangeInclusive<u16>; 3] = [0..=5460, 5461..=10922, 10923..=16383];

/// Three masters, each with a replica.
pub struct RedisCluster {
    /// The masters.
    pub masters: Vec<RedisServer>,
    /// Their replicas, in the same order.
    pub replicas: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, which takes a master for dead that has not answered for a second.
    pub fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        // A replica takes over however long ago it last heard of its master.
        let eager = [&options[..], &["--cluster-replica-validity-factor", "0"]].concat();
        let start = |_| RedisServer::start_with(&eager);
        let (masters, replicas): (Vec<_>, Vec<_>) =
            ((0..3).map(start).collect(), (0..3).map(start).collect());
        let cluster = Self { masters, replicas };
        for (number, (master, slots)) in cluster.masters.iter().zip(&SLOTS).enumerate() {
            let [first, last] = [slots.start(), slots.end()].map(u16::to_string);
            master.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).unwrap();
            master.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).unwrap();
        }
        for server in cluster.servers().skip(1) {
            cluster.masters[0]
                .command(&["CLUSTER", "MEET", "127.0.0.1", &server.port().to_string()])
                .unwrap();
        }
        let says =
            |server: &RedisServer, text: &str| server.query::<String>(&["CLUSTER", "INFO"]).contains(text);
        until("the servers know one another", || {
            cluster.servers().all(|server| says(server, "cluster_known_nodes:6"))
        });
        for (master, replica) in cluster.masters.iter().zip(&cluster.replicas) {
            let id: String = master.query(&["CLUSTER", "MYID"]);
            until("a replica has its master", || replica.command(&["CLUSTER", "REPLICATE", &id]).is_ok());
        }
        until("the cluster is whole", || {
            let is_in_step = |server: &RedisServer| {
                server.query::<String>(&["INFO", "replication"]).contains("master_link_status:up")
            };
            cluster.servers().all(|server| says(server, "cluster_state:ok"))
                && cluster.replicas.iter().all(is_in_step)
        });
        cluster
    }

    /// Its URL, which names two of its servers.
    pub fn url(&self) -> String {
        format!("redis-cluster://{},{}/", self.masters[0].addr(), self.masters[1].addr())
    }

    fn servers(&self) -> impl Iterator<Item = &RedisServer> {
        self.masters.iter().chain(&self.replicas)
    }
}
