//! A logged-in user proves the password again, where an action asks for a recent login (RFC 9470).

use std::time::Duration;

use shared::claims::{AccessClaims, Scope};

use super::{Accounts, CurrentPasswordError};
use crate::{
    domain::{audit::Initiator, password::Password, session::Origin, user_claims::UserClaims},
    sessions::Reauthenticated,
    store::{StoreError, sessions},
    tokens::{Grant, NoSigningKey, Session},
};

/// Error returned when a user does not authenticate again.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateError {
    #[error(transparent)]
    Password(#[from] CurrentPasswordError),
    /// The session has ended, or the user has changed, since the password was verified.
    #[error("the session changed during the authentication")]
    Contended,
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Error returned when the login of a session is not recent.
#[derive(Debug, thiserror::Error)]
pub enum RecentLoginError {
    #[error("the login is older than {} seconds", .0.as_secs())]
    TooOld(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Verifies the password of the user of `claims`, and makes the login of the session recent.
    /// Returns a new access token, which grants no more than the one of the request.
    ///
    /// # Errors
    /// [`ReauthenticateError`].
    pub async fn reauthenticate(
        &self,
        claims: &AccessClaims,
        password: Password,
        origin: Origin,
    ) -> Result<String, ReauthenticateError> {
        // Checked first: without a key there would be no new token.
        let minter = self.tokens.minter()?;
        let action = "reauthentication";
        let user = self.verify_current_password(claims, &password, action, &origin).await?;
        let (revision, user) = (user.revision, user.claims());
        let initiator = Initiator::user(origin);
        let recorded = self.sessions.reauthenticate(claims.sid, &user.sub, revision, initiator);
        let Some(Reauthenticated { auth_time, ends_at }) = recorded.await? else {
            return Err(ReauthenticateError::Contended);
        };
        let scope = common_scope(&claims.scope, &user);
        let grant = Grant { scope, audience: claims.aud.clone() };
        let audiences = Vec::new();
        let session = Session { sid: claims.sid, user, audiences, auth_time, ends_at };
        Ok(minter.access(&session, grant).0)
    }

    /// Checks that the user of `claims` has proved the password within RECENT_LOGIN.
    ///
    /// # Errors
    /// [`RecentLoginError`].
    pub async fn require_recent_login(
        &self,
        claims: &AccessClaims,
    ) -> Result<(), RecentLoginError> {
        let max_age = self.times.recent_login;
        let now = self.clock.now_secs();
        let is_recent = |auth_time: i64| now - auth_time <= max_age.as_secs() as i64;
        if claims.auth_time.is_some_and(is_recent) {
            return Ok(());
        }
        // The token may be older than the last proof.
        let sid = claims.sid;
        let read = self.store.run(move |connection| sessions::auth_time(connection, sid));
        match read.await? {
            Some(auth_time_ms) if is_recent(auth_time_ms / 1000) => Ok(()),
            _ => Err(RecentLoginError::TooOld(max_age)),
        }
    }
}

/// Returns the scopes of a token that its user still has.
fn common_scope(of_token: &Scope, user: &UserClaims) -> Scope {
    let common: Vec<&str> = of_token.iter().filter(|name| user.scope.contains(name)).collect();
    common.join(" ").into()
}
