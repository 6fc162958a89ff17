//! The outcome of a command: its error, and the exit code of `main`.

use std::process::ExitCode;

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
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
