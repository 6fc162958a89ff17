//! A client exchanges a refresh token for a new token pair (RFC 6749 section 6, RFC 9700 section
//! 4.14).

use std::sync::Arc;

use shared::claims::{Scope, SessionId};

use super::{Sessions, run_to_completion::run_to_completion, sync_state::RetryPolicy};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        refresh_decision::{ClaimsSource, RefreshDecision},
        scope::{ScopeNotGranted, narrow},
        session::{EndCause, Origin},
    },
    metrics::RefreshOutcome,
    session_state::{RefreshAttempt, SessionStateError},
    store::{StoreError, users},
    tokens::{NoSigningKey, RefreshClaims, RefreshTokenError, Session, TokenPair},
};

/// A new token pair, and the scope that its access token grants.
pub struct Refreshed {
    pub tokens: TokenPair,
    pub scope: Scope,
}

/// Error returned when a refresh is refused.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error(transparent)]
    Token(#[from] RefreshTokenError),
    #[error(transparent)]
    Scope(#[from] ScopeNotGranted),
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
    #[error(transparent)]
    SessionState(#[from] SessionStateError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A decided refresh, accepted or refused.
struct Decided {
    outcome: RefreshOutcome,
    result: Result<Refreshed, RefreshTokenError>,
}

impl Decided {
    fn refused(outcome: RefreshOutcome, why: RefreshTokenError) -> Self {
        Self { outcome, result: Err(why) }
    }
}

impl Sessions {
    /// Exchanges a refresh token for a new token pair. The access token grants the session's scope,
    /// or `wanted`, which must be a part of it.
    ///
    /// # Errors
    /// [`RefreshError`]. [`RefreshError::Scope`] leaves the session as it was, unless the user's
    /// scopes have just changed.
    pub async fn refresh(
        self: &Arc<Self>,
        token: &str,
        wanted: Option<&Scope>,
        origin: &Origin,
    ) -> Result<Refreshed, RefreshError> {
        match self.decide(token, wanted, origin).await {
            Ok(Decided { outcome, result }) => {
                self.metrics.count_refresh(outcome);
                Ok(result?)
            }
            Err(RefreshError::Scope(why)) => Err(why.into()),
            Err(why) => {
                self.metrics.count_refresh(RefreshOutcome::Unavailable);
                Err(why)
            }
        }
    }

    async fn decide(
        self: &Arc<Self>,
        token: &str,
        wanted: Option<&Scope>,
        origin: &Origin,
    ) -> Result<Decided, RefreshError> {
        let presented = match self.tokens.read_refresh(token) {
            Ok(presented) => presented,
            Err(why @ RefreshTokenError::Expired) => {
                return Ok(Decided::refused(RefreshOutcome::Expired, why));
            }
            Err(why) => return Ok(Decided::refused(RefreshOutcome::Unknown, why)),
        };
        // Checked before the token is rotated: without a key there would be no new token.
        let minter = self.tokens.minter()?;
        let mut session = presented.session();
        let mut scope = narrow(&session.user.scope, wanted)?;
        let expiry = self.tokens.refresh_expiry(&session);
        let mut decision = self.advance(&presented, ClaimsSource::Token, expiry, origin).await?;
        if decision == RefreshDecision::StaleClaims {
            let Some(current) = self.with_current_claims(&session).await? else {
                let why = RefreshTokenError::Revoked;
                return Ok(Decided::refused(RefreshOutcome::Unknown, why));
            };
            session = current;
            scope = narrow(&session.user.scope, wanted)?;
            decision = self.advance(&presented, ClaimsSource::Database, expiry, origin).await?;
        }
        let outcome = decision.into();
        let result = match decision {
            RefreshDecision::Rotated(next) | RefreshDecision::RetriedInGrace(next) => {
                let tokens = minter.pair(&session, scope.clone(), next, expiry);
                Ok(Refreshed { tokens, scope })
            }
            RefreshDecision::Expired => Err(RefreshTokenError::Expired),
            RefreshDecision::Reused | RefreshDecision::Revoked | RefreshDecision::StaleClaims => {
                Err(RefreshTokenError::Revoked)
            }
        };
        Ok(Decided { outcome, result })
    }

    /// Returns the session with the user's current name, scopes and roles. `None` if the user was
    /// deleted.
    async fn with_current_claims(&self, session: &Session) -> Result<Option<Session>, StoreError> {
        let id = session.user.sub.clone();
        let user = self.store.run(move |connection| users::find(connection, &id)).await?;
        Ok(user.map(|user| Session { user: user.claims(), ..session.clone() }))
    }

    /// Decides on a refresh in session state. `next_expires_at` is the expiry of the next token, in
    /// seconds since the Unix epoch.
    ///
    /// A reuse ends the session, even if the client disconnects before the answer.
    async fn advance(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        claims: ClaimsSource,
        next_expires_at: i64,
        origin: &Origin,
    ) -> Result<RefreshDecision, SessionStateError> {
        let this = Arc::clone(self);
        let sub = presented.sub.clone();
        let origin = origin.clone();
        let attempt = RefreshAttempt {
            sid: presented.sid,
            presented: presented.token_generation(),
            expires_at_ms: presented.exp * 1000,
            next_expires_at_ms: self.with_leeway(next_expires_at * 1000),
            claims,
            grace: self.grace,
        };
        run_to_completion(async move {
            // Without a grace period, a repeated call would take the first call's rotation for a
            // reuse.
            let retry = if this.grace.is_zero() { RetryPolicy::Never } else { RetryPolicy::Once };
            let decide = |epoch| this.session_state.decide_refresh(epoch, attempt);
            let decision = this.when_synced(retry, decide).await?;
            match decision {
                RefreshDecision::Reused => this.end_reused(attempt.sid, &sub, origin).await,
                RefreshDecision::Rotated(_) | RefreshDecision::RetriedInGrace(_) => {
                    this.pending_writes.add_session_use(attempt.sid);
                }
                RefreshDecision::StaleClaims
                | RefreshDecision::Expired
                | RefreshDecision::Revoked => {}
            }
            Ok(decision)
        })
        .await
        .unwrap_or(Err(SessionStateError::Unavailable))
    }

    /// Writes the end of a session whose refresh token was reused. Session state ended the session
    /// in the same step as the decision. If the database does not take the end, the client is
    /// refused nevertheless, and the end is written later.
    async fn end_reused(&self, sid: SessionId, sub: &str, origin: Origin) {
        log::warn!("refresh token reuse: session {sid} of user {sub} ends");
        let cause = EndCause::Reuse;
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(cause), Initiator::unknown(origin), now);
        let record = record.user(sub).session(sid);
        if let Err(why) = self.write_end(sid, cause, record.clone()).await {
            log::error!("the end of session {sid} is not in the database yet: {why}");
            self.pending_writes.add_reuse(sid, record);
        }
        self.revocations.publish(&[(sid, now)]).await;
    }
}
