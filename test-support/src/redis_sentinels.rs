//! A Redis with replicas of a test's own, and the Sentinels that watch over them.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{RedisServer, free_port, redis_server, setting, temp_dir, wait::until};

/// A master, two replicas, and three Sentinels.
pub struct RedisSentinels {
    /// The server that is master at the start.
    pub master: RedisServer,
    /// Its replicas.
    pub replicas: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl RedisSentinels {
    /// Starts them. They take a master for dead that has not answered for a second.
    pub fn start() -> Self {
        let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        let of_master = ["--replicaof", &format!("127.0.0.1 {}", master.port())];
        let replicas = (0..2).map(|_| RedisServer::start_with(&of_master)).collect();
        let sentinels = (0..3).map(|_| Sentinel::start(master.port())).collect();
        let all = Self { master, replicas, sentinels };
        until("the replicas are in step", || {
            let says = |replica: &RedisServer| replica.query::<String>(&["INFO", "replication"]);
            all.replicas.iter().all(|replica| says(replica).contains("master_link_status:up"))
        });
        until("the Sentinels know one another, and the replicas", || {
            all.sentinels
                .iter()
                .all(|sentinel| sentinel.knows("num-slaves", 2) && sentinel.knows("num-other-sentinels", 2))
        });
        all
    }

    /// Has them make a replica the master, and a replica of the master, though nothing is wrong with it.
    pub fn fail_over(&self) {
        redis_server::command(self.sentinels[0].port, &["SENTINEL", "FAILOVER", "mymaster"]).unwrap();
        // It closes its connections when it becomes one.
        let says =
            || redis::from_redis_value::<String>(self.master.command(&["INFO", "replication"]).ok()?).ok();
        until("the master is a replica", || says().is_some_and(|text| text.contains("role:slave")));
    }

    /// The URL by which they are asked for the master.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis-sentinel://{}/mymaster/0", hosts.join(","))
    }
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let start = || {
            let (port, folder) = (free_port(), temp_dir());
            let file = folder.path().join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n",
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
            let ours = format!("process_id:{}\r\n", sentinel.child.id());
            let mut has_ended = false;
            until("a Sentinel answers", || {
                has_ended = sentinel.child.try_wait().unwrap().is_some();
                let info = || redis_server::command(port, &["INFO", "server"]).ok();
                let info = || redis::from_redis_value::<String>(info()?).ok();
                has_ended || info().is_some_and(|info| info.contains(&ours))
            });
            (!has_ended).then_some(sentinel)
        };
        // Somebody else may take a free port before it does.
        (0..10).find_map(|_| start()).expect("a running Sentinel")
    }

    fn knows(&self, what: &str, count: u32) -> bool {
        let answer = redis_server::command(self.port, &["SENTINEL", "MASTER", "mymaster"]).unwrap();
        let fields: Vec<String> = redis::from_redis_value(answer).unwrap();
        fields.chunks(2).any(|field| field == [what, &count.to_string()])
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
