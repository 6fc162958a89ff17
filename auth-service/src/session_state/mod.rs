//! Session state: the generation and the end of each session.
//!
//! Session state holds at most one entry per session. It decides on a refresh in one round trip
//! (Redis) or one transaction (embedded). After a loss, session state reports that it is
//! incomplete, and the caller rebuilds it from the database.

#[cfg(test)]
mod contract;
mod embedded;
#[cfg(test)]
mod memory;
mod redis;
mod redis_calls;
mod redis_keys;
mod types;

use shared::claims::SessionId;

use self::types::Result;
pub use self::{
    embedded::EmbeddedSessionState,
    redis::RedisSessionState,
    types::{Rebuild, RefreshAttempt, Retention, SessionStateError},
};
use crate::{
    domain::refresh_decision::{RefreshDecision, SessionEntry},
    health::UnavailableReason,
};

/// Session state of either kind.
#[expect(clippy::large_enum_variant, reason = "a process has one value of this type")]
pub enum SessionState {
    /// Shared by all replicas.
    Redis(RedisSessionState),
    /// In the SQLite file of a single process.
    Embedded(EmbeddedSessionState),
}

impl SessionState {
    /// Decides on a refresh and stores the decision.
    ///
    /// The entry is kept as long as any token of the session lives.
    ///
    /// # Errors
    /// [`SessionStateError::Incomplete`] also if `epoch` is no longer the connection epoch.
    pub async fn decide_refresh(
        &self,
        epoch: u64,
        refresh: RefreshAttempt,
    ) -> Result<RefreshDecision> {
        match self {
            Self::Redis(redis) => redis.decide_refresh(epoch, refresh).await,
            Self::Embedded(embedded) => embedded.decide_refresh(refresh).await,
        }
    }

    /// Marks the claims of sessions as stale, because their user's scopes or roles have changed.
    ///
    /// Each session comes with the latest possible expiry of its tokens. The next refresh of a
    /// marked session is answered [`RefreshDecision::StaleClaims`].
    pub async fn mark_claims_stale(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.mark_claims_stale(sessions).await,
            Self::Embedded(embedded) => embedded.mark_claims_stale(sessions).await,
        }
    }

    /// Returns the entry of a session. `None` if the session was never refreshed and has not ended.
    ///
    /// # Errors
    /// [`SessionStateError::Incomplete`] also if `epoch` is no longer the connection epoch.
    pub async fn entry(&self, epoch: u64, sid: SessionId) -> Result<Option<SessionEntry>> {
        match self {
            Self::Redis(redis) => redis.entry(epoch, sid).await,
            Self::Embedded(embedded) => embedded.entry(sid).await,
        }
    }

    /// Ends sessions. The entry of a session that has already ended stays as it is, unless its
    /// retention is extended.
    pub async fn revoke(&self, sessions: Vec<(SessionId, Retention)>) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.revoke(sessions).await,
            Self::Embedded(embedded) => embedded.revoke(sessions).await,
        }
    }

    /// Returns whether session state still holds every ended session that was written to it.
    pub async fn is_complete(&self) -> Result<bool> {
        match self {
            Self::Redis(redis) => redis.is_complete().await,
            Self::Embedded(embedded) => Ok(embedded.is_complete()),
        }
    }

    /// Returns the epoch of the connections to session state.
    ///
    /// The epoch changes before a server answers that was not brought up to date.
    pub fn connection_epoch(&self) -> u64 {
        match self {
            Self::Redis(redis) => redis.connection_epoch(),
            Self::Embedded(_) => 0,
        }
    }

    /// Returns why Redis is unavailable. `None` while Redis works, and for embedded session state.
    pub fn failure_reason(&self) -> Option<UnavailableReason> {
        match self {
            Self::Redis(redis) => redis.failure_reason(),
            Self::Embedded(_) => None,
        }
    }

    /// Begins a rebuild. [`SessionState::finish_rebuild`] ends it.
    pub async fn begin_rebuild(&self) -> Result<Rebuild> {
        match self {
            Self::Redis(redis) => redis.begin_rebuild().await,
            Self::Embedded(_) => Ok(Rebuild::default()),
        }
    }

    /// Declares session state complete.
    ///
    /// # Errors
    /// [`SessionStateError::Incomplete`] if Redis was wiped or restarted since the rebuild began.
    pub async fn finish_rebuild(&self, rebuild: Rebuild) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.finish_rebuild(rebuild).await,
            Self::Embedded(embedded) => {
                embedded.set_complete();
                Ok(())
            }
        }
    }

    /// Deletes expired entries. Redis expires its entries without help.
    pub async fn delete_expired(&self) -> Result<()> {
        match self {
            Self::Redis(_) => Ok(()),
            Self::Embedded(embedded) => embedded.delete_expired().await,
        }
    }
}
