//! What the workspace's tests need: databases of their own, servers to stop, processes to kill. `scripts/test` starts
//! the servers and says where they are.

mod certificates;
mod collector;
mod http;
mod kubernetes;
mod nginx;
mod openapi;
mod postgres;
mod postgres_server;
mod process;
mod prometheus;
mod proxy;
mod python;
mod redis_cluster;
mod redis_sentinels;
mod redis_server;
mod size;
mod wait;

use std::{
    env,
    net::TcpListener,
    sync::atomic::{AtomicU32, Ordering},
};

pub use certificates::Certificates;
pub use collector::{Collector, Span};
pub use http::{Answer, Client, Tokens, claims_of, decode_part};
pub use kubernetes::kustomized;
pub use nginx::Nginx;
pub use postgres::{TestDatabase, hold_migration_lock, sql, until_waiting};
pub use postgres_server::PostgresServer;
pub use process::{Process, program};
pub use prometheus::{Prometheus, promtool};
pub use proxy::Proxy;
pub use python::{Python, assert_answers_as_documented, python_reads};
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use redis_server::RedisServer;
pub use size::sized;
pub use tempfile::TempDir;
pub use wait::until;

/// A name that no other test uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}

/// A folder that is deleted when the test ends.
pub fn temp_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The Redis that all tests share, each with a key prefix of its own.
pub fn redis_url() -> String {
    setting("TEST_REDIS_URL")
}

/// The environment of a process whose clock is this many seconds ahead. It waits no shorter and no longer for that.
pub fn clock_ahead(seconds: u32) -> [(&'static str, String); 4] {
    [
        ("LD_PRELOAD", setting("TEST_FAKETIME")),
        ("FAKETIME", format!("+{seconds}s")),
        // Its releases do not agree on the name.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
    ]
}

/// A port for a server that is to find it free again after it was stopped. The kernel gives none below 32768 to outgoing
/// connections; and tests that run at the same time, which are processes, begin to look in different places.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(16).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (number % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with scripts/test"))
}
