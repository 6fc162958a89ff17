//! A client exchanges a refresh token for a new token pair (RFC 6749 section 6, RFC 9700 section
//! 4.14).

use std::sync::Arc;

use shared::claims::{Scope, SessionId};

use super::{
    Sessions, run_to_completion::run_to_completion, service::with_leeway, sync_state::RetryPolicy,
};
use crate::{
    domain::{
        audience::AudienceNotGranted,
        audit::{AuditEvent, AuditRecord, Initiator},
        refresh_decision::{
            ClaimsSource, MAX_RETRIED_ELSEWHERE, Presented, RefreshDecision, Rotation,
            TokenGeneration,
        },
        scope::{ScopeNotGranted, narrow},
        session::{EndCause, Origin},
    },
    metrics::RefreshOutcome,
    session_state::{RefreshAttempt, SessionStateError},
    store::{StoreError, sessions as rows, users},
    tokens::{Credential, Grant, NoSigningKey, RefreshClaims, RefreshTokenError, Session},
};

/// The new tokens of a session.
pub struct Refreshed {
    pub access: String,
    /// `None` if the presented refresh token stays valid ([`Rotation::Off`]).
    pub refresh: Option<String>,
    /// Lifetime of the access token in seconds.
    pub access_lifetime_secs: i64,
    /// Scope that the access token grants.
    pub scope: Scope,
}

/// The part of what a session or a client may be granted that the caller asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `None`: all of it.
    pub scope: Option<Scope>,
    /// Empty: all of them.
    pub audiences: Vec<String>,
}

/// Error returned when a refresh is refused.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error(transparent)]
    Token(#[from] RefreshTokenError),
    #[error(transparent)]
    Scope(#[from] ScopeNotGranted),
    #[error(transparent)]
    Audience(#[from] AudienceNotGranted),
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

/// What a refresh leaves the client with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub rotation: Rotation,
    /// Expiry of the credential that the client has afterwards, in seconds since the Unix epoch.
    pub expires_at: i64,
}

/// Returns why the client of a refused refresh gets no tokens.
pub(super) fn refusal(decision: RefreshDecision) -> RefreshTokenError {
    match decision {
        RefreshDecision::Expired => RefreshTokenError::Expired,
        RefreshDecision::Reused | RefreshDecision::ReusedInStep => RefreshTokenError::Reused,
        RefreshDecision::Void => RefreshTokenError::Superseded,
        _ => RefreshTokenError::Revoked,
    }
}

impl Sessions {
    /// Exchanges a refresh token for a new token pair. The access token grants what the session
    /// grants, or `wanted`, which must be a part of it. The refresh token grants all of it.
    ///
    /// # Errors
    /// [`RefreshError`]. [`RefreshError::Scope`] and [`RefreshError::Audience`] leave the session as
    /// it was, unless the user's scopes have just changed.
    pub async fn refresh(
        self: &Arc<Self>,
        token: &str,
        wanted: &Wanted,
        origin: &Origin,
    ) -> Result<Refreshed, RefreshError> {
        match self.decide(token, wanted, origin).await {
            Ok(Decided { outcome, result }) => {
                self.metrics.count_refresh(outcome);
                Ok(result?)
            }
            Err(why @ (RefreshError::Scope(_) | RefreshError::Audience(_))) => Err(why),
            Err(why) => {
                self.metrics.count_refresh(RefreshOutcome::Unavailable);
                Err(why)
            }
        }
    }

    async fn decide(
        self: &Arc<Self>,
        token: &str,
        wanted: &Wanted,
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
        let mut scope = narrow(&session.user.scope, wanted.scope.as_ref())?;
        let audience = self.tokens.user_audience(&session.audiences, &wanted.audiences)?;
        let expiry = self.tokens.refresh_expiry(&session);
        let terms = match self.rotation {
            Rotation::On => Terms { rotation: Rotation::On, expires_at: expiry },
            Rotation::Off => Terms { rotation: Rotation::Off, expires_at: presented.exp },
        };
        let mut decision = self.advance(&presented, ClaimsSource::Token, terms, origin).await?;
        if decision == RefreshDecision::StaleClaims {
            let Some(current) = self.with_current_claims(&session).await? else {
                let why = RefreshTokenError::Revoked;
                return Ok(Decided::refused(RefreshOutcome::Unknown, why));
            };
            session = current;
            scope = narrow(&session.user.scope, wanted.scope.as_ref())?;
            decision = self.advance(&presented, ClaimsSource::Database, terms, origin).await?;
        }
        let outcome = decision.into();
        let result = match decision {
            RefreshDecision::Rotated(next)
            | RefreshDecision::RetriedInGrace(next)
            | RefreshDecision::RetriedElsewhere(next) => {
                let grant = Grant { scope: scope.clone(), audience };
                let kind = Credential::RefreshToken;
                let tokens = minter.tokens(&session, grant, next, expiry, kind);
                Ok(Refreshed {
                    access: tokens.access,
                    refresh: tokens.refresh,
                    access_lifetime_secs: tokens.access_lifetime_secs,
                    scope,
                })
            }
            RefreshDecision::Kept => {
                let grant = Grant { scope: scope.clone(), audience };
                let (access, access_lifetime_secs) = minter.access(&session, grant);
                Ok(Refreshed { access, refresh: None, access_lifetime_secs, scope })
            }
            refused => Err(refusal(refused)),
        };
        Ok(Decided { outcome, result })
    }

    /// Returns the session with the user's current name, scopes and roles, and the time when the
    /// user last proved the password. `None` if the user was deleted.
    pub(super) async fn with_current_claims(
        &self,
        session: &Session,
    ) -> Result<Option<Session>, StoreError> {
        let id = session.user.sub.clone();
        let sid = session.sid;
        let read = move |connection: &mut _| {
            Ok((users::find(connection, &id)?, rows::auth_time(connection, sid)?))
        };
        let (user, auth_time_ms) = self.store.run(read).await?;
        let auth_time = auth_time_ms.map_or(0, |ms| ms / 1000).max(session.auth_time);
        Ok(user.map(|user| Session { user: user.claims(), auth_time, ..session.clone() }))
    }

    /// Decides on a refresh in session state.
    ///
    /// A reuse ends the session, even if the client disconnects before the answer.
    pub(super) async fn advance(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        claims: ClaimsSource,
        terms: Terms,
        origin: &Origin,
    ) -> Result<RefreshDecision, SessionStateError> {
        let this = Arc::clone(self);
        let sub = presented.sub.clone();
        let attempt = RefreshAttempt {
            sid: presented.sid,
            presented: Presented {
                token: presented.token_generation(),
                claims,
                origin: self.tokens.origin_hash(presented, origin),
                rotation: terms.rotation,
            },
            expires_at_ms: presented.exp * 1000,
            next_expires_at_ms: with_leeway(terms.expires_at * 1000),
            grace: self.grace,
            restored: None,
        };
        let origin = origin.clone();
        run_to_completion(async move {
            // Without a grace period, a repeated call would take the first call's rotation for a
            // reuse.
            let retry = if this.grace.is_zero() { RetryPolicy::Never } else { RetryPolicy::Once };
            let decide = async |epoch| match this.session_state.decide_refresh(epoch, attempt).await
            {
                Ok(RefreshDecision::Absent) => this.decide_restored(epoch, attempt).await,
                decision => decision,
            };
            let decision = this.when_synced(retry, decide).await?;
            this.record_decision(decision, &attempt, &sub, origin).await;
            Ok(decision)
        })
        .await
        .unwrap_or(Err(SessionStateError::Unavailable))
    }

    /// Records what follows from a decision, apart from the answer to the client.
    async fn record_decision(
        self: &Arc<Self>,
        decision: RefreshDecision,
        attempt: &RefreshAttempt,
        sub: &str,
        origin: Origin,
    ) {
        let RefreshAttempt { sid, presented, .. } = *attempt;
        match decision {
            RefreshDecision::Reused => {
                let detail =
                    format!("generation {} was rotated before", presented.token.generation);
                self.end_reused(sid, sub, origin, detail).await;
            }
            RefreshDecision::ReusedInStep => {
                let detail = format!(
                    "clients at two origins refreshed in step for {MAX_RETRIED_ELSEWHERE} \
                     generations"
                );
                self.end_reused(sid, sub, origin, detail).await;
            }
            RefreshDecision::Rotated(next) | RefreshDecision::RetriedInGrace(next) => {
                self.pending_writes.add_session_use(sid, next);
            }
            RefreshDecision::RetriedElsewhere(next) => {
                self.pending_writes.add_session_use(sid, next);
                self.record_retry_elsewhere(sid, sub, origin, next);
            }
            RefreshDecision::Kept => self.pending_writes.add_session_use(sid, presented.token),
            RefreshDecision::StaleClaims
            | RefreshDecision::Absent
            | RefreshDecision::Void
            | RefreshDecision::Expired
            | RefreshDecision::Revoked => {}
        }
    }

    /// Records that a client repeated a refresh from another origin than the rotation's. The client
    /// does not wait for the database.
    fn record_retry_elsewhere(
        self: &Arc<Self>,
        sid: SessionId,
        sub: &str,
        origin: Origin,
        next: TokenGeneration,
    ) {
        let event = AuditEvent::RefreshRetriedElsewhere;
        let record = AuditRecord::new(event, Initiator::unknown(origin), self.clock.now_ms());
        let record = record.user(sub).session(sid);
        let record = record.detail(format!("generation {} was issued again", next.generation));
        let this = Arc::clone(self);
        tokio::spawn(async move { this.store.record_event(record).await });
    }

    /// Writes the end of a session whose refresh token was reused. Session state ended the session
    /// in the same step as the decision. If the database does not take the end, the client is
    /// refused nevertheless, and the end is written later.
    async fn end_reused(&self, sid: SessionId, sub: &str, origin: Origin, detail: String) {
        log::warn!(
            "refresh token reuse: session {sid} of user {sub} ends: {detail}. A client that keeps \
             its first refresh token needs REFRESH_ROTATION=off"
        );
        let cause = EndCause::Reuse;
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(cause), Initiator::unknown(origin), now);
        let record = record.user(sub).session(sid).detail(detail);
        if let Err(why) = self.write_end(sid, cause, record.clone()).await {
            log::error!("the end of session {sid} is not in the database yet: {why}");
            self.pending_writes.add_reuse(sid, record);
        }
        self.revocations.publish(&[(sid, now)]).await;
    }
}
