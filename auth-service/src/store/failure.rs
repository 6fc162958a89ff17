//! In what way the database failed a request, and why, in words for an operator.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::health::UnavailableReason;

/// In what way the database failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no connection for it in time.
    NoConnection,
    /// There was no answer in time.
    NoAnswer,
    /// The connection was lost, or the database refused to work.
    Error,
}

impl Failure {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::NoConnection, Self::NoAnswer, Self::Error];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::NoAnswer => "no_answer",
            Self::Error => "error",
        }
    }
}

/// Initiator what libpq, PostgreSQL and SQLite say, in lower case. The first that fits counts.
const SIGNS: [(&str, UnavailableReason); 18] = [
    ("password authentication failed", UnavailableReason::Text("it refuses the credentials")),
    ("no password supplied", UnavailableReason::Text("it refuses the credentials")),
    ("no pg_hba.conf entry", UnavailableReason::Text("it refuses the credentials")),
    ("role \"", UnavailableReason::Text("it refuses the credentials")),
    ("database \"", UnavailableReason::Text("there is no such database")),
    ("connection refused", UnavailableReason::Text("connection refused")),
    ("host is not known", UnavailableReason::Text("its host is not known")),
    ("could not translate host name", UnavailableReason::Text("its host is not known")),
    ("too many clients", UnavailableReason::Text("it takes no more connections: max_connections are open")),
    ("connection slots", UnavailableReason::Text("it takes no more connections: max_connections are open")),
    ("starting up", UnavailableReason::Text("it is starting")),
    ("recovery mode", UnavailableReason::Text("it is starting")),
    ("shutting down", UnavailableReason::Text("it is shutting down")),
    ("read-only", UnavailableReason::Text("it takes no writes")),
    ("readonly", UnavailableReason::Text("it takes no writes")),
    ("no space left", UnavailableReason::Text("its disk is full")),
    ("disk is full", UnavailableReason::Text("its disk is full")),
    ("locked", UnavailableReason::Text("its file is locked by another process")),
];

/// Initiator what they say when a connection is gone.
const LOST: [&str; 4] =
    ["server closed the connection", "terminating connection", "reset by peer", "no connection to"];

/// What a connection or a query that failed like this means to an operator, where nobody waits longer than `limit`.
pub fn reason(text: &str, limit: Duration) -> UnavailableReason {
    let text = text.to_lowercase();
    let says = |sign: &str| text.contains(sign);
    if let Some((_, reason)) = SIGNS.into_iter().find(|(sign, _)| says(sign)) {
        reason
    } else if LOST.into_iter().any(says) {
        UnavailableReason::Text("the connection was lost")
    } else if says("timeout expired") {
        UnavailableReason::ConnectTimeout(limit)
    } else if says("statement timeout") || says("took too long") {
        UnavailableReason::Timeout(limit)
    } else {
        UnavailableReason::Text("it failed: the log says how")
    }
}

/// How a change ends for which nobody waits any more.
pub fn too_late() -> DieselError {
    DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new("it took too long".to_owned()))
}

/// Whether it is the database that failed, and not the query: lost connections, time limits, a full disk, a lock.
pub fn is_outage(error: &DieselError) -> bool {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation};
    match error {
        DieselError::DatabaseError(kind, _) => {
            !matches!(kind, UniqueViolation | ForeignKeyViolation | NotNullViolation | CheckViolation)
        }
        DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_says_is_put_in_words_that_quote_nothing() {
        let limit = Duration::from_secs(3);
        for (text, expected) in [
            (
                "connection to server at \"db\", port 5432 failed: FATAL:  password authentication failed for user \"auth\"",
                "it refuses the credentials",
            ),
            (
                "timed out waiting for connection: connection to server at \"10.0.0.1\" failed: Connection refused\n\tIs the server running?",
                "connection refused",
            ),
            (
                "connection to server at \"10.0.0.1\", port 5432 failed: timeout expired",
                "no connection within 3 s",
            ),
            (
                "FATAL:  sorry, too many clients already",
                "it takes no more connections: max_connections are open",
            ),
            ("canceling statement due to statement timeout", "no answer within 3 s"),
            ("server closed the connection unexpectedly", "the connection was lost"),
            ("cannot execute INSERT in a read-only transaction", "it takes no writes"),
            ("INSERT INTO users VALUES ('secret') failed", "it failed: the log says how"),
        ] {
            assert_eq!(reason(text, limit).to_string(), expected);
        }
    }
}
