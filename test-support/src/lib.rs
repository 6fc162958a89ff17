//! Support for the workspace's tests: separate databases, servers that a test can stop, processes
//! that a test can kill. `scripts/test` starts the shared servers and passes their addresses.

mod answer;
mod arrows;
mod caddy;
mod certificates;
mod client;
mod collector;
mod kubernetes;
mod mail_server;
mod nginx;
mod openapi;
mod pgbouncer;
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
    fs::Permissions,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

pub use answer::{Answer, Tokens, claims_of, decode_part};
pub use arrows::assert_arrows;
pub use caddy::Caddy;
pub use certificates::Certificates;
pub use client::Client;
pub use collector::{Collector, Span};
pub use kubernetes::kustomize;
pub use mail_server::{MailServer, ReceivedMail};
pub use nginx::Nginx;
pub use pgbouncer::PgBouncer;
pub use postgres::{TestDatabase, hold_migration_lock, sql, wait_for_lock_waiters};
pub use postgres_server::PostgresServer;
pub use process::{Process, program};
pub use prometheus::{Prometheus, promtool};
pub use proxy::Proxy;
pub use python::{Python, assert_answers_as_documented, run_python};
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use redis_server::RedisServer;
pub use size::sized;
pub use tempfile::TempDir;
pub use wait::{Evaluation, wait_until, wait_until_blocking};

/// Returns a name that no other test uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}

/// Creates a folder that is deleted when the test ends.
pub fn temp_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes a file that only its owner can read, as the services demand of a file with a secret.
pub fn write_private(file: impl AsRef<Path>, text: &str) {
    let file = file.as_ref();
    std::fs::write(file, text).expect("a file that can be written");
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).expect("a file of this user");
}

/// Returns the URL of the Redis that all tests share. Each test uses a separate key prefix.
pub fn redis_url() -> String {
    setting("TEST_REDIS_URL")
}

/// Returns the path of the Python that has the packages in
/// `auth-service/tests/interop/requirements.txt`.
pub fn python_path() -> String {
    setting("TEST_PYTHON")
}

/// Returns the program of the browser, for the Python programs that drive it.
pub fn chromium() -> String {
    setting("TEST_CHROMIUM")
}

/// Returns the program node (Node.js).
pub fn node() -> String {
    setting("TEST_NODE")
}

/// Returns the compiler of TypeScript: a program for node.
pub fn typescript() -> String {
    setting("TEST_TYPESCRIPT")
}

/// Returns the environment of a process whose wall clock is this many seconds ahead: see
/// [`clock_set`].
pub fn clock_ahead(seconds: u32) -> [(&'static str, String); 4] {
    clock_set(&format!("+{seconds}s"))
}

/// Returns the environment of a process whose wall clock differs by this much, such as `-3600s`. The
/// monotonic clock, and with it every timeout, stays correct.
pub fn clock_set(difference: &str) -> [(&'static str, String); 4] {
    [
        ("LD_PRELOAD", setting("TEST_FAKETIME")),
        ("FAKETIME", difference.to_owned()),
        // The releases of libfaketime disagree on this variable's name.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
    ]
}

/// Returns a free port for a server that must find the port free again after a stop. The kernel
/// gives no port below 32768 to outgoing connections. Tests that run at the same time are separate
/// processes, so each begins its search at a port that depends on its process id.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        let number = std::process::id().wrapping_mul(16).wrapping_add(tried);
        let port = 20_000 + (number % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Calls `start` until a server runs. Another process can take the free port before the server
/// does, and the server then ends at once.
fn start_on_free_port<T>(name: &str, start: impl FnMut(u16) -> Option<T>) -> T {
    let ports = std::iter::repeat_with(free_port);
    ports.take(10).find_map(start).unwrap_or_else(|| panic!("{name} does not start"))
}

/// Sends a signal to a process.
fn send_signal(signal: &str, process_id: u32) {
    let arguments = [signal, &process_id.to_string()];
    let status = Command::new("kill").args(arguments).status().expect("the program kill");
    assert!(status.success(), "kill {arguments:?}");
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with scripts/test"))
}
