//! The blacklist: at most one entry a session, and the refresh decision in one round trip (Redis) or one transaction
//! (embedded).
//!
//! It may lose everything. It then says that it is not whole, and whoever uses it rebuilds it from the database.

#[cfg(test)]
mod contract;
mod embedded;
#[cfg(test)]
mod memory;
mod redis;

use std::time::Duration;

use shared::claims::SessionId;

pub use self::{
    embedded::Embedded,
    redis::{Redis, info_field},
};
use crate::{
    domain::generation::{ClaimsSource, RefreshDecision, SessionEntry, TokenGeneration},
    health::UnavailableReason,
    store::StoreError,
};

/// Why the blacklist gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionStateError {
    /// Redis is out of reach.
    #[error("the blacklist is not available")]
    Unavailable,
    /// Redis did not answer in time.
    #[error("the blacklist does not answer")]
    TimedOut,
    /// It was wiped, has come back with old data, or may be another server: revocations may be missing.
    #[error("the blacklist is not whole")]
    Incomplete,
    /// The database failed, which the embedded blacklist is in, and which any is brought up to date from.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Result<T> = std::result::Result<T, SessionStateError>;

/// A refresh to be decided on. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct RefreshAttempt {
    pub sid: SessionId,
    pub presented: TokenGeneration,
    /// When the token presented expires.
    pub expires_at_ms: i64,
    /// When the next token would expire.
    pub next_expires_at_ms: i64,
    pub claims: ClaimsSource,
    pub grace: Duration,
}

/// Until when a session's entry must be kept when the session ends. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Until when the token lives that was presented, if one was.
    pub presented_until_ms: i64,
    /// Until when any token of the session may live.
    pub longest_until_ms: i64,
    /// Before when the session began: if the blacklist has been whole since, it knows of every refresh.
    pub since_ms: i64,
    /// Whether an entry that is there already is to be kept as long as this, as after a loss.
    pub extend: bool,
}

impl Retention {
    /// As long as any token of the session may live.
    pub fn until(longest_until_ms: i64) -> Self {
        Self { presented_until_ms: longest_until_ms, longest_until_ms, since_ms: 0, extend: false }
    }
}

/// One of the two kinds.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum SessionState {
    /// Shared by all replicas.
    Redis(Redis),
    /// In the SQLite file of the one process there is.
    Embedded(Embedded),
}

impl SessionState {
    /// Decides on a refresh, over a connection of this number: else it is not whole. The entry is kept for as long as any
    /// token of the session lives.
    pub async fn advance(&self, connection: u64, refresh: RefreshAttempt) -> Result<RefreshDecision> {
        match self {
            Self::Redis(redis) => redis.advance(connection, refresh).await,
            Self::Embedded(embedded) => embedded.advance(refresh).await,
        }
    }

    /// Marks sessions whose user's scopes or roles have changed, each with the time until which any token of it may
    /// live: its next refresh is answered [`RefreshDecision::StaleClaims`].
    pub async fn mark_stale(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.mark_stale(sessions).await,
            Self::Embedded(embedded) => embedded.mark_stale(sessions).await,
        }
    }

    /// What is known of a session, over a connection of this number: else it is not whole. `None` if it was never refreshed
    /// and has not ended.
    pub async fn entry(&self, connection: u64, sid: SessionId) -> Result<Option<SessionEntry>> {
        match self {
            Self::Redis(redis) => redis.entry(connection, sid).await,
            Self::Embedded(embedded) => embedded.entry(sid).await,
        }
    }

    /// Ends sessions. One that has ended before is left as it is, unless its entry is to be kept longer.
    pub async fn revoke(&self, sessions: Vec<(SessionId, Retention)>) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.revoke(sessions).await,
            Self::Embedded(embedded) => embedded.revoke(sessions).await,
        }
    }

    /// Whether every revocation that was written here is still here.
    pub async fn is_complete(&self) -> Result<bool> {
        match self {
            Self::Redis(redis) => redis.is_complete().await,
            Self::Embedded(embedded) => Ok(embedded.is_complete()),
        }
    }

    /// The number of the connections to it. It changes before a server answers that was not brought up to date.
    pub fn connection(&self) -> u64 {
        match self {
            Self::Redis(redis) => redis.connection(),
            Self::Embedded(_) => 0,
        }
    }

    /// Why it does not answer, if it is not for want of the database.
    pub fn why_not(&self) -> Option<UnavailableReason> {
        match self {
            Self::Redis(redis) => redis.why_not(),
            Self::Embedded(_) => None,
        }
    }

    /// Begins a rebuild, which [`SessionState::finish_rebuild`] ends.
    pub async fn begin_rebuild(&self) -> Result<Rebuild> {
        match self {
            Self::Redis(redis) => redis.begin_rebuild().await,
            Self::Embedded(_) => Ok(Rebuild(String::new())),
        }
    }

    /// Declares the blacklist whole, unless it was wiped again since the rebuild began.
    pub async fn finish_rebuild(&self, rebuild: Rebuild) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.finish_rebuild(rebuild).await,
            Self::Embedded(embedded) => {
                embedded.set_complete();
                Ok(())
            }
        }
    }

    /// Deletes what has expired. Redis does so by itself.
    pub async fn delete_expired(&self) -> Result<()> {
        match self {
            Self::Redis(_) => Ok(()),
            Self::Embedded(embedded) => embedded.delete_expired().await,
        }
    }
}

/// A rebuild that has begun.
#[derive(Debug)]
pub struct Rebuild(String);
