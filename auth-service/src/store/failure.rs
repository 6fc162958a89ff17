//! How a query fails, and the reason in words for an operator.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::health::UnavailableReason;

/// Error returned when a query gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, too slow, or refuses to work. A later attempt may succeed.
    #[error("the database is not available")]
    Unavailable,
    /// The query is wrong, or violates a constraint that the caller does not expect to be violated.
    #[error(transparent)]
    Query(DieselError),
}

/// How a query fails.
pub enum QueryError {
    Database(FailureKind),
    Query(DieselError),
}

/// How the database fails a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection became free in time.
    NoConnection,
    /// No answer arrived in time.
    NoAnswer,
    /// The connection was lost, or the database refused the statement.
    Error,
}

impl FailureKind {
    pub const ALL: [Self; 3] = [Self::NoConnection, Self::NoAnswer, Self::Error];

    /// Returns the name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::NoAnswer => "no_answer",
            Self::Error => "error",
        }
    }
}

/// Reason for each text of libpq, PostgreSQL or SQLite, in lower case. The first match counts.
const REASONS: [(&str, &str); 16] = [
    ("password authentication failed", "the server refuses the credentials"),
    ("no password supplied", "the server refuses the credentials"),
    ("no pg_hba.conf entry", "the server refuses the credentials"),
    ("role \"", "the server refuses the credentials"),
    ("database \"", "the database does not exist"),
    ("connection refused", "connection refused"),
    ("unknown host", "unknown host"),
    ("could not translate host name", "unknown host"),
    ("too many clients", "the server accepts no more connections (max_connections)"),
    ("connection slots", "the server accepts no more connections (max_connections)"),
    ("starting up", "the server is starting"),
    ("recovery mode", "the server is starting"),
    ("shutting down", "the server is shutting down"),
    ("permission denied for schema", "the role may not create tables"),
    ("no schema has been selected", "the role may not create tables"),
    ("locked", "another process has locked the file"),
];

/// Reason for each text of a database that refuses writes and may answer reads.
const WRITE_REFUSALS: [(&str, &str); 6] = [
    ("read-only", "the server accepts no writes"),
    ("readonly", "the server accepts no writes"),
    ("permission denied", "the user of the database lacks a right"),
    ("no space left", "the disk is full"),
    ("disk is full", "the disk is full"),
    ("disk i/o error", "the disk fails: see the log"),
];

/// Texts of libpq and PostgreSQL about a lost connection.
const CONNECTION_LOST: [&str; 4] =
    ["server closed the connection", "terminating connection", "reset by peer", "no connection to"];

/// Returns the reason for an error of a connection or a query, in words for an operator. `limit` is
/// the maximum time that a request waits.
///
/// The reason never quotes `text`, which may contain a URL or a statement.
pub fn unavailable_reason(text: &str, limit: Duration) -> UnavailableReason {
    let text = text.to_lowercase();
    let contains = |part: &str| text.contains(part);
    let find = |reasons: &[(&str, &'static str)]| {
        reasons.iter().find(|(part, _)| contains(part)).map(|(_, reason)| *reason)
    };
    if let Some(reason) = find(&REASONS) {
        UnavailableReason::Text(reason)
    } else if let Some(reason) = find(&WRITE_REFUSALS) {
        UnavailableReason::WritesRefused(reason)
    } else if CONNECTION_LOST.into_iter().any(contains) {
        UnavailableReason::Text("connection lost")
    } else if contains("timeout expired") {
        UnavailableReason::ConnectTimeout(limit)
    } else if contains("statement timeout") || contains(TIMED_OUT) {
        UnavailableReason::Timeout(limit)
    } else {
        UnavailableReason::Text("failed: see the log")
    }
}

const TIMED_OUT: &str = "the change took too long";

/// Returns the error of a change that is rolled back because its time is over.
pub fn timed_out() -> DieselError {
    DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(TIMED_OUT.to_owned()))
}

/// Returns whether PostgreSQL ended a transaction that waited for another one, which waited for it.
pub fn is_deadlock(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, why) if why.message().contains("deadlock detected"))
}

/// Returns whether the database failed, not the query: a lost connection, a time limit, a full
/// disk, a lock.
pub fn is_outage(error: &DieselError) -> bool {
    use DatabaseErrorKind::{
        CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
    };
    match error {
        DieselError::DatabaseError(kind, _) => !matches!(
            kind,
            UniqueViolation | ForeignKeyViolation | NotNullViolation | CheckViolation
        ),
        DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_for_an_error_quotes_nothing_of_its_text() {
        let limit = Duration::from_secs(3);
        for (text, expected) in [
            (
                "connection to server at \"db\", port 5432 failed: \
                 FATAL:  password authentication failed for user \"auth\"",
                "the server refuses the credentials",
            ),
            (
                "timed out waiting for connection: connection to server at \"10.0.0.1\" failed: \
                 Connection refused\n\tIs the server running?",
                "connection refused",
            ),
            (
                "connection to server at \"10.0.0.1\", port 5432 failed: timeout expired",
                "no connection within 3 s",
            ),
            (
                "FATAL:  sorry, too many clients already",
                "the server accepts no more connections (max_connections)",
            ),
            ("canceling statement due to statement timeout", "no answer within 3 s"),
            ("server closed the connection unexpectedly", "connection lost"),
            ("cannot execute INSERT in a read-only transaction", "the server accepts no writes"),
            ("permission denied for table users", "the user of the database lacks a right"),
            ("INSERT INTO users VALUES ('secret') failed", "failed: see the log"),
        ] {
            assert_eq!(unavailable_reason(text, limit).to_string(), expected);
        }
    }
}
