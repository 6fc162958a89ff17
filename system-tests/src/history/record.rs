//! What is written down: each operation with when it began, when it ended and how, and each disturbance.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A time, counted from when the history began.
pub type Moment = Duration;

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new session.
    Login,
    /// A new pair for a refresh token of this generation.
    Refresh {
        /// What the token says.
        generation: u64,
    },
    /// The end of a session.
    End(Way),
    /// The end of all of the user's sessions.
    EndAll,
}

/// How to end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `POST /logout`.
    Logout,
    /// `POST /oauth/revoke` with the refresh token.
    RevokeRefresh,
    /// `POST /oauth/revoke` with the access token.
    RevokeAccess,
    /// `DELETE /sessions/{id}`.
    Delete,
}

/// What tokens say that were handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// The refresh token's session.
    pub session: String,
    /// The access token's.
    pub access_session: String,
    /// Whether both name the user who logged in.
    pub of_the_user: bool,
    /// The refresh token's generation.
    pub generation: u64,
    /// When the rotation took place that made it, by Redis' clock.
    pub rotated_at_ms: i64,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 200, with tokens.
    Minted(Minted),
    /// 200 or 204: the session has ended, or all of them.
    Done,
    /// 401.
    Refused,
    /// 503.
    Unavailable,
    /// The connection broke, or no answer came: nobody can tell.
    Unknown,
    /// There was no connection: nothing can have happened.
    Unsent,
    /// An answer that this request never gets.
    Unexpected(u16),
}

/// One request of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// On behalf of whom.
    pub user: usize,
    /// Whom.
    pub replica: usize,
    /// The session, where there is one.
    pub session: Option<String>,
    /// What for.
    pub request: Request,
    /// When it was about to be sent.
    pub invoked: Moment,
    /// When the answer was there, or was given up.
    pub completed: Moment,
    /// How it ended.
    pub outcome: Outcome,
}

/// Something was broken on purpose.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// In words.
    pub what: String,
    /// All was well until then, as far as this is concerned.
    pub from: Moment,
    /// It was mended by then.
    pub until: Moment,
    /// Whether a request may be kept waiting by it: Redis, or the database.
    pub holds_up: bool,
    /// When Redis certainly did nothing.
    pub away: Option<Away>,
    /// Redis may have lost what was written to it after this moment.
    pub loses_after: Option<Moment>,
}

/// When Redis did nothing.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    /// For whom, if not for all.
    pub replica: Option<usize>,
    /// From then on.
    pub from: Moment,
    /// Until then.
    pub until: Moment,
}

/// Everything that was asked, answered and broken.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order in which they ended.
    pub operations: Vec<Operation>,
    /// In no order.
    pub disturbances: Vec<Disturbance>,
    /// How long a rotated token is still answered.
    pub grace: Duration,
    /// From when on nothing was broken any more, and every replica said that it is ready.
    pub healthy_since: Option<Moment>,
}

/// Writes a history while it happens.
pub struct Recorder {
    began: Instant,
    history: Mutex<History>,
}

impl Recorder {
    /// An empty history that begins now.
    pub fn new(grace: Duration) -> Self {
        let history = History { grace, ..History::default() };
        Self { began: Instant::now(), history: Mutex::new(history) }
    }

    /// What time it is.
    pub fn now(&self) -> Moment {
        self.began.elapsed()
    }

    /// The history so far.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login => f.write_str("login"),
            Self::Refresh { generation } => write!(f, "refresh with {generation}"),
            Self::End(Way::Logout) => f.write_str("logout"),
            Self::End(Way::RevokeRefresh) => f.write_str("revoke, by refresh token"),
            Self::End(Way::RevokeAccess) => f.write_str("revoke, by access token"),
            Self::End(Way::Delete) => f.write_str("delete the session"),
            Self::EndAll => f.write_str("logout everywhere"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minted(minted) => {
                write!(f, "generation {} (rotated at {})", minted.generation, minted.rotated_at_ms)
            }
            Self::Done => f.write_str("done"),
            Self::Refused => f.write_str("REFUSED"),
            Self::Unavailable => f.write_str("unavailable"),
            Self::Unknown => f.write_str("unknown: no answer"),
            Self::Unsent => f.write_str("not sent"),
            Self::Unexpected(status) => write!(f, "{status}, which is no answer to this"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, replica, request, invoked, completed, outcome, .. } = self;
        let (from, until, request) = (invoked.as_secs_f64(), completed.as_secs_f64(), request.to_string());
        write!(f, "{from:9.4} – {until:9.4}  client {client} at replica {replica}: {request:24} → {outcome}")
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from.as_secs_f64(), self.until.as_secs_f64());
        write!(f, "{from:9.4} – {until:9.4}  *** {}", self.what)?;
        match self.loses_after {
            Some(Moment::ZERO) => f.write_str(", which loses everything"),
            Some(kept) => write!(f, ", which may lose what is newer than {:.4}", kept.as_secs_f64()),
            None => Ok(()),
        }
    }
}
