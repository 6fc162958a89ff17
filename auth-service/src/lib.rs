//! auth-service: registers people, logs them in, and issues, refreshes and revokes tokens.
//!
//! | room | what is in it |
//! |---|---|
//! | [`config`] | every setting, typed and validated, from flags and environment |
//! | [`server`] | puts the parts together: [`server::configure`] mounts the routes, [`server::start`] serves them |
//! | [`state`] | what handlers share |
//! | `routes` | a file a route |
//! | `domain` | the rules, without I/O: usernames, emails, passwords, the refresh decision |
//! | `sessions` | where the database, which is durable, and the blacklist, which is fast, meet |
//! | `revocations` | the feed of sessions that have ended |
//! | `clients` | who may ask in its own right |
//! | `tokens` | minting and reading tokens; the keys |
//! | `store` | users and sessions in SQL: PostgreSQL or SQLite |
//! | `blacklist` | the refresh decision in one round trip: Redis or embedded |
//! | `cleanup` | deleting what has expired |
//! | `metrics` | what is counted |
//! | `redis_link` | the connection to Redis, given up when it hangs |
//! | `form` | request bodies, checked field by field |
//! | `hashing` | the bounded pool that hashes passwords |
//! | `error` | what goes wrong, and how it is answered |
//! | [`cli`] | a file a subcommand |
//!
//! Dependencies run one way: routes → sessions → store, blacklist; nothing depends on routes.

mod accounts;
mod app;
pub mod cli;
pub mod config;
mod credentials;
mod domain;
mod health;
mod http;
mod jobs;
mod keys;
mod metrics;
mod oauth;
mod redis;
mod revocation_feed;
mod session_state;
mod sessions;
mod store;
mod tokens;

pub use self::{
    app::App,
    http::server::{self, Running, start},
};

/// What `benches/` measure of the inside. Not for others.
#[doc(hidden)]
pub mod hot_paths {
    pub use crate::{domain::generation, keys::signing_key::SigningKey};
}
