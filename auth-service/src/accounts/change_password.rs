//! A user replaces the password.

use shared::claims::AccessClaims;

use super::Accounts;
use crate::{
    credentials::HashPoolBusy,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        password::Password,
        session::Origin,
    },
    store::{
        StoreError,
        users::{self, PasswordChange, UserKey, UserWithPassword},
    },
};

/// What a user replaces the password with.
#[derive(Debug)]
pub struct PasswordChangeRequest {
    pub current: Password,
    pub next: Password,
    /// Whether the session of the request stays. All other sessions end.
    pub keep_session: bool,
}

/// Error returned when a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("the password is the same as the username or the email address")]
    SameAsName,
    /// The user was deleted meanwhile.
    #[error("the user does not exist")]
    UnknownUser,
    /// The user changed at each attempt.
    #[error("the user changed during the change of password")]
    Contended,
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Number of attempts at a change whose user changes meanwhile.
const MAX_ATTEMPTS: usize = 4;

impl Accounts {
    /// Replaces the password of the user of `claims`, and ends the user's sessions, or all but that of `claims`.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        claims: &AccessClaims,
        request: PasswordChangeRequest,
        origin: Origin,
    ) -> Result<(), ChangePasswordError> {
        for _ in 0..MAX_ATTEMPTS {
            if self.attempt_change(claims, &request, &origin).await? {
                return Ok(());
            }
        }
        Err(ChangePasswordError::Contended)
    }

    /// Returns whether the password was changed; if not, the user has changed since the current password was verified.
    async fn attempt_change(
        &self,
        claims: &AccessClaims,
        request: &PasswordChangeRequest,
        origin: &Origin,
    ) -> Result<bool, ChangePasswordError> {
        let permit = self.passwords.queue().await?;
        let key = UserKey::Id(claims.sub.clone());
        let found = self.store.run(move |connection| users::find_with_password(connection, &key)).await?;
        let Some(UserWithPassword { user, password }) = found else {
            return Err(ChangePasswordError::UnknownUser);
        };
        if request.next.equals_ignoring_case(&user.username) || request.next.equals_ignoring_case(&user.email)
        {
            return Err(ChangePasswordError::SameAsName);
        }
        let Some(stored) = password else { return Err(ChangePasswordError::WrongPassword) };
        let next = request.next.clone();
        let Some(new_hash) = self.passwords.replace(permit, &stored.hash, &request.current, next).await?
        else {
            self.record_wrong_password(claims, origin).await;
            return Err(ChangePasswordError::WrongPassword);
        };
        let change = PasswordChange {
            user_id: claims.sub.clone(),
            revision: user.revision,
            credential_id: stored.id,
            new_hash,
            keep: request.keep_session.then_some(claims.sid),
            at_ms: self.clock.now_ms(),
        };
        Ok(self.sessions.change_password(change, Initiator::user(origin.clone())).await?)
    }

    async fn record_wrong_password(&self, claims: &AccessClaims, origin: &Origin) {
        let event = AuditEvent::PasswordChangeFailed;
        let record = AuditRecord::new(event, Initiator::user(origin.clone()), self.clock.now_ms());
        self.store.remember(record.user(&claims.sub).session(claims.sid).detail("wrong password")).await;
    }
}
