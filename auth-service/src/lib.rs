//! auth-service: registers users, logs them in, and issues, refreshes and revokes tokens.
//!
//! The modules from the outermost to the innermost:
//!
//! | module | content |
//! |---|---|
//! | [`cli`] | the commands of the operator, one file each |
//! | `http` | the routes, one file each, and the server |
//! | `app` | composition: creates the services from the settings |
//! | [`config`] | the settings, from command line and environment |
//! | `provisioning` | clients, grants and reserved names from a file |
//! | `accounts` | use cases of users, and of the operator who administers users |
//! | `oauth` | use cases of clients, and of the operator who administers clients |
//! | `sessions` | use cases of sessions; keeps database and session state in agreement |
//! | `metrics` | what the service counts |
//! | `jobs` | background work |
//! | `revocation_feed` | the feed of ended sessions |
//! | `session_state` | the refresh decision in one round trip, in Redis or embedded |
//! | `throttle` | counters of failed attempts, in Redis or in this process |
//! | `tokens` | minting and reading tokens |
//! | `keys` | the secret, the signing keys and their rotation |
//! | `store` | rows in the database: PostgreSQL or SQLite |
//! | `credentials` | password hashes, and the pool that computes them |
//! | `redis` | the connection to Redis |
//! | `audit_log` | the audit trail in the log |
//! | `health` | health of a dependency, for the log and `/readyz` |
//! | `domain` | the rules, without I/O |
//!
//! Dependencies run one way: a module names only modules below it. Routes and commands parse, call
//! one use case, and answer. `tests/suite/arrows.rs` lists the allowed dependencies and checks them.
//!
//! [`App`] holds the services. [`start`] serves requests.

// Output that cannot be written ends a command with an error: see `service_kit::output`.
#![cfg_attr(not(test), deny(clippy::print_stderr, clippy::print_stdout))]

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
mod provisioning;
mod redis;
mod revocation_feed;
mod session_state;
mod sessions;
mod store;
mod throttle;
mod tokens;

pub use self::{
    app::App,
    http::server::{self, Running, start},
};

/// The functions that `benches/` measures. Not part of the public interface.
#[doc(hidden)]
pub mod hot_paths {
    pub use crate::{
        domain::{outages::Outages, refresh_decision, session::OriginHash},
        keys::SigningKey,
    };
}
