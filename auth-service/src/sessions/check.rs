//! Whether a session has ended, and whether a token is valid.

use std::sync::Arc;

use shared::{VerifyError, claims::SessionId};

use super::{Sessions, sync_state::RetryPolicy};
use crate::{
    domain::refresh_decision::{self, ClaimsSource, RefreshDecision, SessionEntry},
    session_state::SessionStateError,
    tokens::{AnyToken, RefreshClaims, RefreshTokenError, TokenErrors},
};

/// Error returned when a token of either kind is not valid, or cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum VerifyTokenError {
    #[error(transparent)]
    AccessToken(#[from] VerifyError),
    #[error(transparent)]
    RefreshToken(#[from] RefreshTokenError),
    #[error(transparent)]
    SessionState(#[from] SessionStateError),
}

impl Sessions {
    /// Verifies a token of either kind, and that its session has not ended.
    ///
    /// # Errors
    /// [`VerifyTokenError`].
    pub async fn verify_token(self: &Arc<Self>, token: &str) -> Result<(), VerifyTokenError> {
        match self.tokens.read_any(token).await {
            Ok(AnyToken::Access(claims)) => Ok(self.refuse_ended(claims.sid).await?),
            Ok(AnyToken::Refresh(presented)) if self.accepts(&presented).await? => Ok(()),
            Ok(AnyToken::Refresh(_)) => Err(RefreshTokenError::Revoked.into()),
            Err(TokenErrors { as_access, as_refresh: RefreshTokenError::Invalid }) => {
                Err(as_access.into())
            }
            Err(TokenErrors { as_refresh, .. }) => Err(as_refresh.into()),
        }
    }

    /// Refuses a session that has ended, as far as session state can tell without waiting. While it
    /// cannot, this replica's own record of ended sessions counts, and the outage policy decides
    /// about all other sessions.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`], or [`VerifyError::RevocationsUnavailable`].
    pub async fn refuse_ended(&self, sid: SessionId) -> Result<(), VerifyError> {
        let entry = match self.synced_epoch() {
            Some(epoch) => {
                let entry = self.session_state.entry(epoch, sid).await;
                entry.inspect_err(|_| self.record_outage_of(epoch))
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

    /// Returns whether a session has ended. Waits until session state is in sync.
    ///
    /// # Errors
    /// If session state does not answer.
    pub async fn has_ended(self: &Arc<Self>, sid: SessionId) -> Result<bool, SessionStateError> {
        let read = |epoch| self.session_state.entry(epoch, sid);
        let entry = self.when_synced(RetryPolicy::Once, read).await?;
        Ok(entry == Some(SessionEntry::Revoked))
    }

    /// Returns whether a refresh token would be accepted now. Waits until session state is in sync.
    ///
    /// # Errors
    /// If session state does not answer.
    pub async fn accepts(
        self: &Arc<Self>,
        presented: &RefreshClaims,
    ) -> Result<bool, SessionStateError> {
        let read = |epoch| self.session_state.entry(epoch, presented.sid);
        let entry = self.when_synced(RetryPolicy::Once, read).await?;
        let now = self.clock.now_ms();
        let generation = presented.token_generation();
        let source = ClaimsSource::Database;
        let (decision, _) = refresh_decision::decide(entry, generation, source, now, self.grace);
        Ok(matches!(decision, RefreshDecision::Rotated(_) | RefreshDecision::RetriedInGrace(_)))
    }
}
