//! The outcome of a command: its error, and the exit code of `main`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::process_end::end_process_soon;

/// Error that ends a command, `serve` included: one line for the operator who ran it.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
pub struct CommandError {
    line: String,
    exit_code: u8,
}

/// Exit code of a command that failed.
const FAILURE: u8 = 1;
/// Exit code of a command whose options or settings are wrong. Nothing was done.
const USAGE: u8 = 2;
/// Exit code of a command that did a part of its work and left out what it must refuse.
const INCOMPLETE: u8 = 3;

impl CommandError {
    /// Creates the error of a command that failed, from its line.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { line: reason.into(), exit_code: FAILURE }
    }

    /// Creates the error of a command whose options or settings are wrong, from its line.
    pub fn usage(reason: impl Into<String>) -> Self {
        Self { line: reason.into(), exit_code: USAGE }
    }

    /// Creates the error of a command that did a part of its work, and left out what it must refuse,
    /// from its line.
    pub fn incomplete(reason: impl Into<String>) -> Self {
        Self { line: reason.into(), exit_code: INCOMPLETE }
    }
}

/// Returns the exit code of a `main` (0, 1 for a failure, 2 for wrong options or settings, 3 if a part of the work is refused), and
/// prints the error of a command that failed. The process ends within a second, even if threads
/// still wait for an answer.
pub fn exit_code(outcome: Result<(), CommandError>) -> ExitCode {
    let code = outcome.as_ref().err().map_or(0, |error| error.exit_code);
    end_process_soon(code.into());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Fails if standard error is closed or full. No other place can take the line.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code)
        }
    }
}
