//! What auth-service and resource-service share in being services.
//!
//! A service of your own needs none of this crate: the crate `shared` alone verifies access tokens.
//!
//! | module | content |
//! |---|---|
//! | [`command`] | the error of a command, and the exit code |
//! | [`output`] | standard output of a command, which may fail |
//! | [`settings`] | reading the command line and the environment |
//! | [`server`], `http_server` | start-up: listeners, routes, readiness, shutdown in order |
//! | [`route`] | a route at the path and of the method that its documentation names |
//! | [`request_log`] | request ids, request metrics, request log lines, request spans |
//! | [`logs`] | log lines as text or JSON, with a filter that can be reloaded |
//! | [`traces`] | spans for an OpenTelemetry collector |
//! | [`metrics`], [`process_metrics`] | metrics for Prometheus |
//! | [`health`] | `/healthz` and the answer of `/readyz` |
//! | [`ops_listener`] | a separate listener for operators |
//! | [`shutdown`], [`accept_gate`] | shutdown without lost requests |
//! | [`late_request`], `pause`, `occupancy` | requests that are not carried out because their client is gone |
//! | `process_end` | the end of a process whose threads wait for ever |
//! | [`connection_limits`], `connection`, [`open_files`] | limits for clients |
//! | [`core_dumps`] | no core dumps: memory holds secrets |
//! | [`secret_file`] | which users of the machine may read a file that holds a secret |
//! | [`reload`] | files that are read again at SIGHUP |
//! | [`replaced_files`] | files of the program that an operator replaces |
//! | [`openapi`] | `/openapi.json`, `/docs`, and the answers that routes share |
//!
//! Modules depend on each other in one direction: `local-stack/tests/suite/arrows.rs` asserts it.

// Output that cannot be written ends a command with an error: see `output`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod accept_gate;
pub mod answer_headers;
mod bound_listener;
pub mod command;
mod connection;
pub mod connection_limits;
pub mod core_dumps;
pub mod cors;
pub mod health;
mod http_server;
pub mod late_request;
pub mod logs;
pub mod metrics;
mod occupancy;
pub mod open_files;
pub mod openapi;
pub mod ops_listener;
pub mod output;
mod pause;
mod process_end;
pub mod process_metrics;
pub mod reload;
pub mod replaced_files;
pub mod request_log;
pub mod route;
pub mod secret_file;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod traces;

pub use self::{
    command::{CommandError, exit_code},
    core_dumps::disable_core_dumps,
    logs::init_logs,
    settings::parse_settings,
};
