//! Session state: the generation and the end of each session.
//!
//! Session state holds at most one entry per session. It decides on a refresh in one round trip
//! (Redis) or one transaction (embedded). An entry may be absent: the caller then reads the
//! session's row, and restores the entry. After a restart or a failover, entries may be old: session
//! state reports that it is incomplete, and the caller rebuilds it from the database.

#[cfg(test)]
mod contract;
mod embedded;
#[cfg(test)]
mod memory;
mod packed_entry;
mod redis;
mod redis_calls;
mod redis_keys;
mod types;

use shared::claims::SessionId;

use self::types::Result;
pub use self::{
    embedded::EmbeddedSessionState,
    redis::{Evictions, RedisSessionState},
    types::{Answering, LiveSession, Rebuild, RefreshAttempt, SessionStateError, Silence},
};
use crate::{
    domain::refresh_decision::{RefreshDecision, SessionEntry},
    health::UnavailableReason,
};

/// Maximum number of sessions that one call of Redis or one transaction changes. More take as many
/// calls, so that none of them takes too long, and calls of requests go in between.
const BATCH: usize = 1000;

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

    /// Marks the claims of live sessions as stale, because their user's scopes or roles have changed.
    ///
    /// The next refresh of a marked session is answered [`RefreshDecision::StaleClaims`].
    pub async fn mark_claims_stale(&self, sessions: Vec<LiveSession>) -> Result<()> {
        for batch in sessions.chunks(BATCH) {
            match self {
                Self::Redis(redis) => redis.mark_claims_stale(batch).await?,
                Self::Embedded(embedded) => embedded.mark_claims_stale(batch.to_vec()).await?,
            }
        }
        Ok(())
    }

    /// Returns the entry of a session. `None` if session state has no entry: the database knows
    /// whether the session has ended.
    ///
    /// # Errors
    /// [`SessionStateError::Incomplete`] also if `epoch` is no longer the connection epoch.
    pub async fn entry(&self, epoch: u64, sid: SessionId) -> Result<Option<SessionEntry>> {
        match self {
            Self::Redis(redis) => redis.entry(epoch, sid).await,
            Self::Embedded(embedded) => embedded.entry(sid).await,
        }
    }

    /// Writes the entry of a session, unless the session has one. Returns the session's entry.
    ///
    /// # Errors
    /// As [`SessionState::entry`].
    pub async fn restore(&self, epoch: u64, session: LiveSession) -> Result<SessionEntry> {
        match self {
            Self::Redis(redis) => redis.restore(epoch, session).await,
            Self::Embedded(embedded) => embedded.restore(session).await,
        }
    }

    /// Ends sessions. Each comes with the time until which its entry is kept, in milliseconds since
    /// the Unix epoch.
    pub async fn revoke(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        for batch in sessions.chunks(BATCH) {
            match self {
                Self::Redis(redis) => redis.revoke(batch).await?,
                Self::Embedded(embedded) => embedded.revoke(batch.to_vec()).await?,
            }
        }
        Ok(())
    }

    /// Voids the tokens of these sessions that are of an earlier epoch than the session.
    pub async fn void(&self, sessions: Vec<LiveSession>) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.void(sessions).await,
            Self::Embedded(embedded) => embedded.void(sessions).await,
        }
    }

    /// Returns whether session state is known to hold no older entry than it was given.
    pub async fn is_complete(&self, answering: Answering) -> Result<bool> {
        match self {
            Self::Redis(redis) => redis.is_complete(answering).await,
            Self::Embedded(embedded) => Ok(embedded.check_complete(answering)),
        }
    }

    /// Records a time in which this replica could answer no refresh, and which ends now. The time
    /// is no part of the grace period of any replica's refreshes.
    pub async fn record_outage(&self, silence: Silence) -> Result<()> {
        match self {
            Self::Redis(redis) => redis.record_outage(silence).await,
            Self::Embedded(embedded) => embedded.record_outage(silence).await,
        }
    }

    /// Returns what each Redis server reports about evictions. Empty for embedded session state,
    /// which evicts nothing.
    pub async fn evictions(&self) -> Result<Vec<Evictions>> {
        match self {
            Self::Redis(redis) => redis.evictions().await,
            Self::Embedded(_) => Ok(Vec::new()),
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

    /// Returns whether a failed call is a reason to doubt session state. An unreachable database is
    /// none, if session state is in Redis: it was asked about one session without an entry.
    pub fn is_doubted_by(&self, why: &SessionStateError) -> bool {
        match self {
            Self::Redis(_) => !matches!(why, SessionStateError::Store(_)),
            Self::Embedded(_) => true,
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
