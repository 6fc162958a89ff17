//! Whether a session has ended, and whether a token is valid.

use std::{sync::Arc, time::Duration};

use shared::{VerifyError, claims::AccessClaims};

use super::{Sessions, restore::TokenSession, sync_state::RetryPolicy};
use crate::{
    domain::{
        outages::Outages,
        refresh_decision::{
            self, ClaimsSource, GracePeriod, Presented, RefreshDecision, Rotation, SessionEntry,
        },
        session::OriginHash,
    },
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
            Ok(AnyToken::Access(claims)) if !self.tokens.is_for_users(&claims.aud) => {
                Err(VerifyError::Audience.into())
            }
            Ok(AnyToken::Access(claims)) => Ok(self.refuse_ended(&claims).await?),
            Ok(AnyToken::Refresh(presented)) => match self.refusal_of(&presented).await? {
                Some(why) => Err(why.into()),
                None => Ok(()),
            },
            Err(TokenErrors { as_access, as_refresh: RefreshTokenError::Invalid }) => {
                Err(as_access.into())
            }
            Err(TokenErrors { as_refresh, .. }) => Err(as_refresh.into()),
        }
    }

    /// Refuses an access token whose session has ended, as far as can be told without waiting for
    /// session state. A session without an entry is looked up in the database. While neither
    /// answers, this replica's own record of ended sessions counts, and the outage policy decides
    /// about all other sessions.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`], or [`VerifyError::RevocationsUnavailable`].
    pub async fn refuse_ended(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        let Some(epoch) = self.synced_epoch() else {
            return self.refuse_by_policy(claims, self.sync.out_of_sync_for());
        };
        let entry = match self.session_state.entry(epoch, claims.sid).await {
            Ok(Some(entry)) => entry,
            Ok(None) => match self.restored_entry(epoch, token_session(claims)).await {
                Ok(entry) => entry,
                // The entry may have been lost at any time.
                Err(_) => return self.refuse_by_policy(claims, Duration::MAX),
            },
            Err(_) => {
                self.record_outage_of(epoch);
                return self.refuse_by_policy(claims, self.sync.out_of_sync_for());
            }
        };
        match entry {
            SessionEntry::Revoked => Err(VerifyError::Revoked),
            SessionEntry::Alive(_) => Ok(()),
        }
    }

    /// Decides about an access token whose session state is unknown for `duration`.
    fn refuse_by_policy(
        &self,
        claims: &AccessClaims,
        duration: Duration,
    ) -> Result<(), VerifyError> {
        if self.revocations.contains(claims.sid) {
            return Err(VerifyError::Revoked);
        }
        match self.outage_policy.accepts_after(duration) {
            true => Ok(()),
            false => Err(VerifyError::RevocationsUnavailable),
        }
    }

    /// Returns whether the session of an access token has ended. Waits until session state is in
    /// sync.
    ///
    /// # Errors
    /// If session state or the database does not answer.
    pub async fn has_ended(
        self: &Arc<Self>,
        claims: &AccessClaims,
    ) -> Result<bool, SessionStateError> {
        Ok(self.synced_entry(token_session(claims)).await? == SessionEntry::Revoked)
    }

    /// Returns why a refresh token would be refused now, and `None` if it would be accepted. Waits
    /// until session state is in sync.
    ///
    /// # Errors
    /// If session state or the database does not answer.
    async fn refusal_of(
        self: &Arc<Self>,
        presented: &RefreshClaims,
    ) -> Result<Option<RefreshTokenError>, SessionStateError> {
        let decision = self.preview(presented, ClaimsSource::Database, self.rotation).await?;
        Ok(match decision {
            RefreshDecision::Rotated(_)
            | RefreshDecision::RetriedInGrace(_)
            | RefreshDecision::RetriedElsewhere(_)
            | RefreshDecision::Kept
            | RefreshDecision::StaleClaims => None,
            RefreshDecision::Expired => Some(RefreshTokenError::Expired),
            RefreshDecision::Reused | RefreshDecision::ReusedInStep | RefreshDecision::Void => {
                Some(RefreshTokenError::Superseded)
            }
            RefreshDecision::Revoked | RefreshDecision::Absent => Some(RefreshTokenError::Revoked),
        })
    }

    /// Returns what a refresh would be answered now, without carrying it out: one look-up in session
    /// state. Waits until session state is in sync.
    ///
    /// # Errors
    /// If session state or the database does not answer.
    pub(super) async fn preview(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        claims: ClaimsSource,
        rotation: Rotation,
    ) -> Result<RefreshDecision, SessionStateError> {
        let entry = self.synced_entry(TokenSession::User(presented.sid)).await?;
        let presented = Presented {
            token: presented.token_generation(),
            claims,
            origin: OriginHash::UNKNOWN,
            rotation,
        };
        // A refresh may be accepted for longer, after an outage.
        let outages = Outages::default();
        let grace =
            GracePeriod { now_ms: self.clock.now_ms(), length: self.grace, outages: &outages };
        Ok(refresh_decision::decide(Some(entry), &presented, &grace).0)
    }

    /// Returns a session's entry, restored if there is none. Waits until session state is in sync.
    async fn synced_entry(
        self: &Arc<Self>,
        session: TokenSession,
    ) -> Result<SessionEntry, SessionStateError> {
        let read = async |epoch| match self.session_state.entry(epoch, session.sid()).await? {
            Some(entry) => Ok(entry),
            None => Ok(self.restored_entry(epoch, session).await?),
        };
        self.when_synced(RetryPolicy::Once, read).await
    }
}

fn token_session(claims: &AccessClaims) -> TokenSession {
    if claims.is_client_token() {
        TokenSession::Client(claims.sid, claims.exp * 1000)
    } else {
        TokenSession::User(claims.sid)
    }
}
