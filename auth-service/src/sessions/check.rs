//! Whether a session has ended, and whether a refresh token would be accepted.

use std::sync::Arc;

use shared::{VerifyError, claims::SessionId};

use super::{Sessions, sync::RetryPolicy};
use crate::{
    domain::refresh_decision::{self, ClaimsSource, RefreshDecision, SessionEntry},
    health::UnavailableReason,
    session_state::SessionStateError,
    tokens::RefreshClaims,
};

/// Readiness of the two stores.
#[derive(Debug)]
pub struct StoresReadiness {
    pub database: Result<(), UnavailableReason>,
    pub session_state: Result<(), UnavailableReason>,
}

impl StoresReadiness {
    /// Returns whether both stores are ready.
    pub fn is_ready(&self) -> bool {
        self.database.is_ok() && self.session_state.is_ok()
    }
}

impl Sessions {
    /// Refuses a session that has ended, as far as the session state can tell without waiting. While it cannot, this replica's
    /// own log of ended sessions counts, and for the rest the outage policy decides.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`], or [`VerifyError::RevocationsUnavailable`].
    pub async fn refuse_ended(&self, sid: SessionId) -> Result<(), VerifyError> {
        let entry = match self.synced_connection() {
            Some(connection) => {
                let entry = self.session_state.entry(connection, sid).await;
                entry.inspect_err(|_| self.note_outage_of(connection))
            }
            None => Err(SessionStateError::Unavailable),
        };
        match entry {
            Ok(Some(SessionEntry::Revoked)) => Err(VerifyError::Revoked),
            Ok(_) => Ok(()),
            Err(_) if self.revocations.contains(sid) => Err(VerifyError::Revoked),
            Err(_) if self.outage_policy.accepts_after(self.out_of_sync_for()) => Ok(()),
            Err(_) => Err(VerifyError::RevocationsUnavailable),
        }
    }

    /// Returns whether a session has ended. Waits until the session state is synced.
    ///
    /// # Errors
    /// If the session state does not answer.
    pub async fn has_ended(self: &Arc<Self>, sid: SessionId) -> Result<bool, SessionStateError> {
        let read = |connection| self.session_state.entry(connection, sid);
        let entry = self.when_synced(RetryPolicy::Once, read).await?;
        Ok(entry == Some(SessionEntry::Revoked))
    }

    /// Returns whether a refresh token would be accepted now. Waits until the session state is synced.
    ///
    /// # Errors
    /// If the session state does not answer.
    pub async fn accepts(self: &Arc<Self>, presented: &RefreshClaims) -> Result<bool, SessionStateError> {
        let read = |connection| self.session_state.entry(connection, presented.sid);
        let entry = self.when_synced(RetryPolicy::Once, read).await?;
        let now = self.clock.now_ms();
        let generation = presented.token_generation();
        let (decision, _) =
            refresh_decision::decide(entry, generation, ClaimsSource::Database, now, self.grace);
        Ok(matches!(decision, RefreshDecision::Rotated(_) | RefreshDecision::RetriedInGrace(_)))
    }

    /// Returns whether both stores answer, and why not.
    pub async fn readiness(self: &Arc<Self>) -> StoresReadiness {
        let database = self.store.check().await;
        let is_complete = self.when_synced(RetryPolicy::Once, |_| self.session_state.is_complete()).await;
        let session_state = is_complete.map(drop).map_err(|why| {
            match (why, self.session_state.failure_reason()) {
                (_, Some(why)) => why,
                // A caller that waits for a sync may give up before the sync has failed.
                (why, None) if matches!(why, SessionStateError::Store(_)) || database.is_err() => {
                    UnavailableReason::Text("waits for the database, which does not answer")
                }
                (_, None) => UnavailableReason::Text("is being synced from the database"),
            }
        });
        StoresReadiness { database, session_state }
    }
}
