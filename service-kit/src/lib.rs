//! What auth-service and resource-service share in being services. A service of your own needs none of it: to verify
//! access tokens it needs the crate `shared` alone.
//!
//! | module | content |
//! |---|---|
//! | [`settings`] | reading the command line and the environment |
//! | [`server`] | start-up: listeners, routes, readiness, shutdown in order |
//! | [`route`] | a route as its OpenAPI documentation describes it |
//! | [`request_log`] | request ids, request metrics, request log lines, request spans |
//! | [`logs`] | log lines as text or JSON, with a filter that can be reloaded |
//! | [`traces`] | spans for an OpenTelemetry collector |
//! | [`metrics`], [`process_metrics`] | metrics for Prometheus |
//! | [`health`] | `/healthz` and the answer of `/readyz` |
//! | [`ops_listener`] | a separate listener for operators |
//! | [`shutdown`], [`accept_gate`] | shutdown without lost requests |
//! | [`reload`] | files that are read again at SIGHUP |
//! | [`openapi`] | `/openapi.json`, `/docs`, and the answers that routes share |

pub mod accept_gate;
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

use std::process::ExitCode;

pub use self::{logs::init_logs, settings::parse_settings};

/// Error that ends a command, `serve` included: one line for the operator who ran it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub String);

impl CommandError {
    /// Creates an error from its line.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Returns the exit code of a `main`, and prints the error of a command that failed.
pub fn exit_code(outcome: Result<(), CommandError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
