//! A history: every operation and every disturbance, with their times.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Time since the history began.
pub type Moment = Duration;

/// Request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Begins a session.
    Login,
    /// Exchanges a refresh token for new tokens.
    Refresh {
        /// Generation in the token.
        generation: u64,
    },
    /// Ends a session.
    End(EndMethod),
    /// Ends all sessions of the user.
    EndAll,
}

/// Way to end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndMethod {
    /// `POST /logout`.
    Logout,
    /// `POST /oauth/revoke` with the refresh token.
    RevokeRefresh,
    /// `POST /oauth/revoke` with the access token.
    RevokeAccess,
    /// `DELETE /sessions/{id}`.
    Delete,
}

/// Content of a token pair in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// Session of the refresh token.
    pub session: String,
    /// Session of the access token.
    pub access_session: String,
    /// Whether both tokens name the user who logged in.
    pub has_right_user: bool,
    /// Generation of the refresh token.
    pub generation: u64,
    /// Time of the rotation that made the refresh token, by Redis' clock.
    pub rotated_at_ms: i64,
}

/// Outcome of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 200, with tokens.
    Tokens(TokenPair),
    /// 200 or 204: the session has ended, or all sessions have.
    Done,
    /// 401.
    Refused,
    /// 503.
    Unavailable,
    /// No answer: the connection broke or the time was up. The operation may have had an effect.
    Unknown,
    /// No connection: the operation had no effect.
    Unsent,
    /// A status that the service never answers this request with.
    Unexpected(u16),
}

/// One request of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The client.
    pub client: usize,
    /// The client's user.
    pub user: usize,
    /// The replica that the request was sent to.
    pub replica: usize,
    /// The session, if the operation belongs to one.
    pub session: Option<String>,
    /// The request.
    pub request: Request,
    /// Time before the request was sent.
    pub invoked: Moment,
    /// Time after the answer arrived or the client gave up.
    pub completed: Moment,
    /// The outcome.
    pub outcome: Outcome,
}

/// An injected fault.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// Description for the report.
    pub what: String,
    /// Time before which the fault had no effect.
    pub from: Moment,
    /// Time after which the fault was over.
    pub until: Moment,
    /// Whether requests can be delayed by the fault: a fault of Redis or the database.
    pub delays_requests: bool,
    /// Period in which Redis certainly executed nothing.
    pub redis_away: Option<RedisAway>,
    /// Redis may have lost what was written after this time.
    pub loses_after: Option<Moment>,
}

/// A period in which Redis executed nothing.
#[derive(Clone, Copy, Debug)]
pub struct RedisAway {
    /// The replica for which Redis executed nothing, if not for all replicas.
    pub replica: Option<usize>,
    /// Start of the period.
    pub from: Moment,
    /// End of the period.
    pub until: Moment,
}

/// All operations and disturbances.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Operations in the order in which they completed.
    pub operations: Vec<Operation>,
    /// Disturbances in no particular order.
    pub disturbances: Vec<Disturbance>,
    /// Grace period of the replicas.
    pub grace: Duration,
    /// Time from which on all faults were over and every replica was ready.
    pub healthy_since: Option<Moment>,
}

/// Writes a history.
pub struct Recorder {
    began: Instant,
    history: Mutex<History>,
}

impl Recorder {
    /// Begins an empty history.
    pub fn new(grace: Duration) -> Self {
        let history = History { grace, ..History::default() };
        Self { began: Instant::now(), history: Mutex::new(history) }
    }

    /// Returns the current time.
    pub fn now(&self) -> Moment {
        self.began.elapsed()
    }

    /// Returns the grace period of the replicas.
    pub fn grace(&self) -> Duration {
        self.history().grace
    }

    /// Adds an operation to the history.
    pub fn add_operation(&self, operation: Operation) {
        self.history().operations.push(operation);
    }

    /// Adds a disturbance to the history.
    pub fn add_disturbance(&self, disturbance: Disturbance) {
        self.history().disturbances.push(disturbance);
    }

    /// Records that all faults are over and every replica is ready.
    pub fn mark_healthy(&self) {
        let now = self.now();
        self.history().healthy_since = Some(now);
    }

    /// Returns the history, and begins an empty one.
    pub fn take(&self) -> History {
        std::mem::take(&mut *self.history())
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login => f.write_str("login"),
            Self::Refresh { generation } => write!(f, "refresh with {generation}"),
            Self::End(EndMethod::Logout) => f.write_str("logout"),
            Self::End(EndMethod::RevokeRefresh) => f.write_str("revoke by refresh token"),
            Self::End(EndMethod::RevokeAccess) => f.write_str("revoke by access token"),
            Self::End(EndMethod::Delete) => f.write_str("delete the session"),
            Self::EndAll => f.write_str("logout everywhere"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(TokenPair { generation, rotated_at_ms, .. }) => {
                write!(f, "generation {generation} (rotated at {rotated_at_ms})")
            }
            Self::Done => f.write_str("done"),
            Self::Refused => f.write_str("REFUSED"),
            Self::Unavailable => f.write_str("unavailable"),
            Self::Unknown => f.write_str("no answer"),
            Self::Unsent => f.write_str("not sent"),
            Self::Unexpected(status) => write!(f, "{status}, which is unexpected"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, replica, outcome, .. } = self;
        let from = self.invoked.as_secs_f64();
        let until = self.completed.as_secs_f64();
        let request = self.request.to_string();
        write!(f, "{from:9.4} – {until:9.4}  ")?;
        write!(f, "client {client} at replica {replica}: {request:24} → {outcome}")
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.as_secs_f64();
        let until = self.until.as_secs_f64();
        write!(f, "{from:9.4} – {until:9.4}  *** {}", self.what)?;
        match self.loses_after {
            Some(Moment::ZERO) => f.write_str(", all data lost"),
            Some(kept) => write!(f, ", data after {:.4} may be lost", kept.as_secs_f64()),
            None => Ok(()),
        }
    }
}
