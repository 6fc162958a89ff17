//! A Redis with replicas for one test, watched by Sentinels.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    RedisServer,
    redis_cluster::is_in_sync,
    redis_server::{command, info, wait_until_ready},
    setting, start_on_free_port, temp_dir, wait_until_blocking,
};

/// A master, two replicas, and three Sentinels.
pub struct RedisSentinels {
    /// The server that is the master at the start.
    pub master: RedisServer,
    /// The servers that are replicas at the start.
    pub replicas: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

impl RedisSentinels {
    /// Starts all servers. The Sentinels replace a master after one second without an answer.
    pub fn start() -> Self {
        let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        let replica_of = ["--replicaof", &format!("127.0.0.1 {}", master.port())];
        let replicas = (0..2).map(|_| RedisServer::start_with(&replica_of)).collect();
        let sentinels = (0..3).map(|_| Sentinel::start(master.port())).collect();
        let servers = Self { master, replicas, sentinels };
        wait_until_blocking("the replicas are in sync", || servers.replicas.iter().all(is_in_sync));
        wait_until_blocking("every Sentinel knows the other Sentinels and the replicas", || {
            servers.sentinels.iter().all(|sentinel| {
                sentinel.knows("num-slaves", 2) && sentinel.knows("num-other-sentinels", 2)
            })
        });
        servers
    }

    /// Tells the Sentinels to replace the master, although it works.
    pub fn fail_over(&self) {
        command(self.sentinels[0].port, &["SENTINEL", "FAILOVER", "mymaster"]).unwrap();
        wait_until_blocking("the old master is a replica", || {
            info(self.master.port(), "replication").contains("role:slave")
        });
    }

    /// Returns the URL with which clients ask the Sentinels for the master.
    pub fn url(&self) -> String {
        let addr = |sentinel: &Sentinel| format!("127.0.0.1:{}", sentinel.port);
        let addrs: Vec<String> = self.sentinels.iter().map(addr).collect();
        format!("redis-sentinel://{}/mymaster/0", addrs.join(","))
    }
}

struct Sentinel {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl Sentinel {
    fn start(master: u16) -> Self {
        start_on_free_port("Sentinel", |port| {
            let folder = temp_dir();
            let file = folder.path().join("sentinel.conf");
            let text = format!(
                "port {port}\n\
                 bind 127.0.0.1\n\
                 dir {}\n\
                 sentinel monitor mymaster 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds mymaster 1000\n\
                 sentinel failover-timeout mymaster 3000\n",
                folder.path().display()
            );
            fs::write(&file, text).unwrap();
            let child = Command::new(setting("TEST_REDIS_SERVER"))
                .arg(&file)
                .arg("--sentinel")
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server");
            let mut sentinel = Self { port, child, _folder: folder };
            wait_until_ready(port, &mut sentinel.child).then_some(sentinel)
        })
    }

    /// Returns whether a field in the Sentinel's description of the master has this value.
    fn knows(&self, field: &str, count: u32) -> bool {
        let answer = command(self.port, &["SENTINEL", "MASTER", "mymaster"]).unwrap();
        let fields: Vec<String> = redis::from_redis_value(answer).unwrap();
        fields.chunks(2).any(|pair| pair == [field, &count.to_string()])
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
