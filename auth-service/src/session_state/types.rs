//! Values that both kinds of session state take and return.

use std::time::Duration;

use shared::claims::SessionId;

use crate::{
    domain::refresh_decision::{CurrentClaims, Generation, Presented, TokenGeneration, Watermark},
    store::StoreError,
};

/// Error returned when session state gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionStateError {
    /// Redis cannot be reached, or refused the call.
    #[error("session state is not available")]
    Unavailable,
    /// Redis did not answer in time.
    #[error("session state did not answer in time")]
    TimedOut,
    /// Ended sessions may be missing: Redis was wiped, has old data, or is another server.
    #[error("session state is incomplete")]
    Incomplete,
    /// The database failed. Embedded session state is in it, and Redis is rebuilt from it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub type Result<T> = std::result::Result<T, SessionStateError>;

/// A refresh to decide on. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct RefreshAttempt {
    pub sid: SessionId,
    pub presented: Presented,
    /// Expiry of the presented token.
    pub expires_at_ms: i64,
    /// Expiry of the next token, if the refresh issues one.
    pub next_expires_at_ms: i64,
    /// Time after a rotation in which the previous token may be presented again.
    pub grace: Duration,
    /// The session's row, if session state has no entry of the session.
    pub restored: Option<LiveSession>,
}

/// What the database knows of a live session. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSession {
    pub sid: SessionId,
    /// Generation of the newest refresh token, or an older one: it is written behind.
    pub generation: Generation,
    /// Time of the rotation to `generation`, by the clock of session state.
    pub rotated_at_ms: i64,
    pub current_claims: CurrentClaims,
    /// Latest possible expiry of any token of the session.
    pub until_ms: i64,
}

impl LiveSession {
    /// Returns a session that no client has refreshed yet.
    pub fn unrefreshed(sid: SessionId, until_ms: i64) -> Self {
        let TokenGeneration { generation, rotated_at_ms } = TokenGeneration::FIRST;
        Self { sid, generation, rotated_at_ms, current_claims: CurrentClaims::OfAll, until_ms }
    }

    /// Returns the progress of the session.
    pub fn watermark(&self) -> Watermark {
        Watermark {
            generation: self.generation,
            moved_at_ms: self.rotated_at_ms,
            current_claims: self.current_claims,
            ..Watermark::default()
        }
    }
}

/// Whether the calling replica answers refreshes. Session state remembers when one last did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    Yes,
    No,
}

/// For how long a replica has answered no refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Since this process started. An earlier process may have answered until then.
    SinceStart,
    For(Duration),
}

/// A rebuild that has begun and is not finished.
#[derive(Debug, Default)]
pub struct Rebuild {
    /// Unique id. Empty for embedded session state.
    pub(super) id: String,
}
