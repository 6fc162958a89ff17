//! A browser keeps a session in a cookie. The cookie is not rotated, so that any number of tabs use
//! it at once.

use std::sync::Arc;

use shared::claims::AccessClaims;

use super::{
    RefreshError, Refreshed, Sessions, Wanted,
    refresh::{Terms, refusal},
};
use crate::{
    domain::{
        audit::Initiator,
        refresh_decision::{
            ClaimsSource, RefreshDecision, Rotation, SessionEntry, is_of_earlier_epoch,
        },
        session::{EndCause, Origin},
    },
    metrics::RefreshOutcome,
    store::StoreError,
    tokens::{Grant, RefreshClaims, RefreshTokenError, Session, SessionCookie},
};

/// Minimum age of a cookie that is renewed, in seconds.
const RENEWAL_SECS: i64 = 3600;

/// The session of a cookie, which has not ended.
pub struct CookieSession {
    session: Session,
    /// The cookie that takes the place of the presented one.
    pub renewed: Option<SessionCookie>,
}

impl Sessions {
    /// Returns the session of a cookie, with the user's current name, scopes and roles. One look-up
    /// in session state. Counts as a use of the session.
    ///
    /// # Errors
    /// [`RefreshError::Token`] if the session has ended or the cookie is void, or an error of a
    /// store.
    pub async fn use_cookie(
        self: &Arc<Self>,
        cookie: &str,
        origin: &Origin,
    ) -> Result<CookieSession, RefreshError> {
        let presented = self.tokens.read_cookie(cookie)?;
        let mut session = presented.session();
        let is_renewed = self.clock.now_secs() - presented.iat >= RENEWAL_SECS;
        // A use that changes nothing in session state is decided here, without its script.
        if !is_renewed && let Some(session) = self.unchanged_session(&presented).await? {
            self.pending_writes.add_session_use(session.sid, presented.token_generation());
            return Ok(CookieSession { session, renewed: None });
        }
        let expires_at =
            if is_renewed { self.tokens.refresh_expiry(&session) } else { presented.exp };
        let terms = Terms { rotation: Rotation::Off, expires_at };
        let mut decision = self.advance(&presented, ClaimsSource::Token, terms, origin).await?;
        if decision == RefreshDecision::StaleClaims {
            let current = self.with_current_claims(&session).await?;
            session = current.ok_or(RefreshTokenError::Revoked)?;
            decision = self.advance(&presented, ClaimsSource::Database, terms, origin).await?;
        }
        if decision != RefreshDecision::Kept {
            return Err(refusal(decision).into());
        }
        let renew = || self.tokens.renew_cookie(&session, &presented, expires_at);
        let renewed = is_renewed.then(renew);
        Ok(CookieSession { session, renewed })
    }

    /// Returns the session of a cookie whose use changes nothing in session state. `None`: the use
    /// may be refused, and session state decides.
    async fn unchanged_session(
        self: &Arc<Self>,
        presented: &RefreshClaims,
    ) -> Result<Option<Session>, RefreshError> {
        let session = presented.session();
        match self.preview(presented, ClaimsSource::Token, Rotation::Off).await? {
            RefreshDecision::Kept => Ok(Some(session)),
            RefreshDecision::StaleClaims => Ok(self.with_current_claims(&session).await?),
            _ => Ok(None),
        }
    }

    /// Returns the claims of a request with a cookie: those of an access token of its session, for
    /// all audiences of the session. Returns the cookie that takes the place of the presented one
    /// too.
    ///
    /// # Errors
    /// As [`Sessions::use_cookie`].
    pub async fn claims_of_cookie(
        self: &Arc<Self>,
        cookie: &str,
        origin: &Origin,
    ) -> Result<(AccessClaims, Option<SessionCookie>), RefreshError> {
        let CookieSession { session, renewed } = self.use_cookie(cookie, origin).await?;
        Ok((self.tokens.claims_of_cookie(&session), renewed))
    }

    /// Mints an access token for the session of a cookie. It grants what the session grants, or
    /// `wanted`, which must be a part of it.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh_by_cookie(
        self: &Arc<Self>,
        cookie: &str,
        wanted: &Wanted,
        origin: &Origin,
    ) -> Result<(Refreshed, Option<SessionCookie>), RefreshError> {
        let refreshed = self.mint_by_cookie(cookie, wanted, origin).await;
        if let Some(outcome) = outcome(refreshed.as_ref().err()) {
            self.metrics.count_refresh(outcome);
        }
        refreshed
    }

    async fn mint_by_cookie(
        self: &Arc<Self>,
        cookie: &str,
        wanted: &Wanted,
        origin: &Origin,
    ) -> Result<(Refreshed, Option<SessionCookie>), RefreshError> {
        let minter = self.tokens.minter()?;
        let CookieSession { session, renewed } = self.use_cookie(cookie, origin).await?;
        let scope = session.user.scope.clone();
        let audience = self.tokens.user_audience(&session.audiences, &wanted.audiences)?;
        let grant = Grant { scope: scope.clone(), audience };
        let (access, access_lifetime_secs) = minter.access(&session, grant);
        Ok((Refreshed { access, refresh: None, access_lifetime_secs, scope }, renewed))
    }

    /// Returns the id and the name of the user of an authentic cookie, whose session may have ended.
    pub fn user_of_cookie(&self, cookie: &str) -> Option<(String, String)> {
        let claims = self.tokens.read_cookie(cookie).ok()?;
        Some((claims.sub, claims.preferred_username))
    }

    /// Returns whether a change of password has replaced a cookie. `false` while session state does
    /// not answer.
    async fn is_void(&self, presented: &RefreshClaims) -> bool {
        let Some(epoch) = self.synced_epoch() else { return false };
        match self.session_state.entry(epoch, presented.sid).await {
            Ok(Some(SessionEntry::Alive(known))) => {
                is_of_earlier_epoch(presented.generation, known.generation)
            }
            _ => false,
        }
    }

    /// Logs a user out: ends the session of a cookie. A cookie that names no session, or one that
    /// has ended, is no error, and neither is one that a change of password has replaced: the
    /// browser drops it.
    ///
    /// # Errors
    /// If the database does not take the end.
    pub async fn log_out_by_cookie(
        self: &Arc<Self>,
        cookie: &str,
        origin: Origin,
    ) -> Result<(), StoreError> {
        let Ok(presented) = self.tokens.read_cookie(cookie) else { return Ok(()) };
        if self.is_void(&presented).await {
            return Ok(());
        }
        let initiator = Initiator::user(origin);
        self.end_by_refresh_token(&presented, EndCause::Logout, initiator).await.map(drop)
    }
}

/// Returns the outcome that is counted for a refresh. `None`: the request asked for what it may not
/// have, and no refresh happened.
fn outcome(why: Option<&RefreshError>) -> Option<RefreshOutcome> {
    Some(match why {
        None => RefreshOutcome::Kept,
        Some(RefreshError::Scope(_) | RefreshError::Audience(_)) => return None,
        Some(RefreshError::Token(why)) => match why {
            RefreshTokenError::Invalid => RefreshOutcome::Unknown,
            RefreshTokenError::Expired => RefreshOutcome::Expired,
            RefreshTokenError::Superseded => RefreshOutcome::Void,
            RefreshTokenError::Reused => RefreshOutcome::Reused,
            RefreshTokenError::OtherUser | RefreshTokenError::Revoked => RefreshOutcome::Revoked,
        },
        Some(_) => RefreshOutcome::Unavailable,
    })
}
