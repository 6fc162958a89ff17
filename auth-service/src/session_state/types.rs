//! Values that both kinds of session state take and return.

use std::time::Duration;

use shared::claims::SessionId;

use crate::{
    domain::refresh_decision::{ClaimsSource, TokenGeneration},
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
    pub presented: TokenGeneration,
    /// Expiry of the presented token.
    pub expires_at_ms: i64,
    /// Expiry of the next token, if the refresh issues one.
    pub next_expires_at_ms: i64,
    pub claims: ClaimsSource,
    /// Time after a rotation in which the previous token may be presented again.
    pub grace: Duration,
}

/// How long the entry of an ended session is kept. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Expiry of the presented token. Without one, the same as `longest_until_ms`.
    pub presented_until_ms: i64,
    /// Latest possible expiry of any token of the session.
    pub longest_until_ms: i64,
    /// Earliest time the session can have begun. If session state has been complete since then,
    /// it has the entry of every session that was refreshed.
    pub session_began_ms: i64,
    /// Whether the entry of a session that has already ended is kept longer, as after a loss.
    pub extend: bool,
}

impl Retention {
    /// Returns the retention of a session whose tokens expire at `longest_until_ms` at the latest.
    pub fn until(longest_until_ms: i64) -> Self {
        Self {
            presented_until_ms: longest_until_ms,
            longest_until_ms,
            session_began_ms: 0,
            extend: false,
        }
    }
}

/// A rebuild that has begun and is not finished.
#[derive(Debug, Default)]
pub struct Rebuild {
    /// Unique id. Empty for embedded session state.
    pub(super) id: String,
}
