//! What auth-service and resource-service share in being services.
//!
//! A service of your own needs none of this crate: the crate `shared` alone verifies access tokens.
//!
//! | module | content |
//! |---|---|
//! | [`command`] | the error of a command, and the exit code |
//! | [`settings`] | reading the command line and the environment |
//! | [`server`] | start-up: listeners, routes, readiness, shutdown in order |
//! | [`route`] | a route at the path and of the method that its documentation names |
//! | [`request_log`] | request ids, request metrics, request log lines, request spans |
//! | [`logs`] | log lines as text or JSON, with a filter that can be reloaded |
//! | [`traces`] | spans for an OpenTelemetry collector |
//! | [`metrics`], [`process_metrics`] | metrics for Prometheus |
//! | [`health`] | `/healthz` and the answer of `/readyz` |
//! | [`ops_listener`] | a separate listener for operators |
//! | [`shutdown`], [`accept_gate`] | shutdown without lost requests |
//! | [`connection_limits`] | limits for clients |
//! | [`reload`] | files that are read again at SIGHUP |
//! | [`openapi`] | `/openapi.json`, `/docs`, and the answers that routes share |
//!
//! Modules depend on each other in one direction. A test of this crate asserts it.

pub mod accept_gate;
mod bound_listener;
pub mod command;
pub mod connection_limits;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod openapi;
pub mod ops_listener;
pub mod process_metrics;
pub mod reload;
pub mod request_log;
pub mod route;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod traces;

pub use self::{
    command::{CommandError, exit_code},
    logs::init_logs,
    settings::parse_settings,
};
