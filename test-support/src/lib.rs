//! What the workspace's tests need: databases of their own, servers to stop, processes to kill. `scripts/test` starts
//! the servers and says where they are.

mod http;
mod nginx;
mod openapi;
mod postgres;
mod postgres_server;
mod process;
mod proxy;
mod python;
mod redis_server;

use std::env;

pub use http::{Answer, Client, Tokens, claims_of, decode_part};
pub use nginx::Nginx;
pub use postgres::TestDatabase;
pub use postgres_server::PostgresServer;
pub use process::{Process, program};
pub use proxy::Proxy;
pub use python::{Python, assert_answers_as_documented};
pub use redis_server::RedisServer;
pub use tempfile::TempDir;

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

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with scripts/test"))
}
