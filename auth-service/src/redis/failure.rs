//! Failures of Redis.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

use crate::health::UnavailableReason;

/// Maximum length of an error code. Redis has no longer one.
const MAX_CODE_CHARS: usize = 32;

/// Error returned when a call gets no answer.
#[derive(Debug)]
pub enum RedisFailure {
    Timeout,
    Error(RedisError),
}

/// Returns the reason for an error, in words for an operator.
///
/// `limit` is the maximum time a call may take. The reason quotes nothing but Redis' error code,
/// because an error's text may contain a URL or a command.
pub fn unavailable_reason(error: &RedisError, limit: Duration) -> UnavailableReason {
    match error.code() {
        Some(code) => UnavailableReason::RedisError(
            code.chars().filter(char::is_ascii_alphanumeric).take(MAX_CODE_CHARS).collect(),
        ),
        None if error.kind() == ErrorKind::AuthenticationFailed => {
            UnavailableReason::Text("Redis refuses the credentials")
        }
        None if error.is_connection_refusal() => UnavailableReason::Text("connection refused"),
        None if error.is_timeout() => UnavailableReason::Timeout(limit),
        None if error.is_connection_dropped() => UnavailableReason::Text("connection lost"),
        None if error.to_string().contains("lookup") => UnavailableReason::Text("unknown host"),
        None => UnavailableReason::Text("connection failed: see the log"),
    }
}

/// Returns whether Redis may answer reads although it refused a command with this error.
pub fn refuses_writes(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "NOREPLICAS" | "MISCONF" | "OOM"))
}

/// Returns whether a new connection may work: the connection broke, or its server is no longer
/// a master.
pub fn needs_new_connection(error: &RedisError) -> bool {
    let is_demoted = matches!(error.code(), Some("READONLY" | "MASTERDOWN"));
    error.is_io_error() || error.is_unrecoverable_error() || is_demoted
}
