//! auth-service: registers users, logs them in, and issues, refreshes and revokes tokens.
//!
//! | module | content |
//! |---|---|
//! | [`cli`] | the subcommands, one file each |
//! | `http` | the routes, one file each, and the server |
//! | `accounts`, `sessions`, `oauth` | the use cases |
//! | `jobs` | work in the background |
//! | `tokens` | minting and reading tokens |
//! | `keys` | the secret, the signing keys and their rotation |
//! | `credentials` | password hashes, and the pool that computes them |
//! | `session_state` | the refresh decision in one round trip, in Redis or embedded |
//! | `revocation_feed` | the feed of ended sessions |
//! | `store` | the database: PostgreSQL or SQLite |
//! | `redis` | the connection to Redis |
//! | `domain` | the rules, without I/O |
//! | [`config`] | the settings, from command line and environment |
//! | `audit_log`, `health`, `metrics` | what an operator observes |
//!
//! [`App`] connects these modules. [`start`] serves requests.
//!
//! `domain` depends on no other module, `credentials` only on `domain`, `keys` on `domain`, `store`
//! and `health`, and `tokens` on `domain` and `keys`.

mod accounts;
mod app;
mod audit_log;
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

/// The functions that `benches/` measures. Not part of the public interface.
#[doc(hidden)]
pub mod hot_paths {
    pub use crate::{domain::refresh_decision, keys::SigningKey};
}
