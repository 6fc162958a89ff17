//! A user who lost the password sets a new one with a one-time code.

use uuid::Uuid;

use super::{Accounts, RequestCodeError};
use crate::{
    credentials::HashPoolBusy,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        login_key::LoginKey,
        one_time_code::{CodePurpose, OneTimeCode},
        password::Password,
        session::Origin,
    },
    store::{
        StoreError,
        one_time_codes::{self, StoredCode},
        users::{self, PasswordReset, User},
    },
    throttle::Throttled,
};

/// A request to set a password with a code.
#[derive(Debug)]
pub struct PasswordResetRequest {
    /// `None` if no user can have the name.
    pub key: Option<LoginKey>,
    /// `None` if the text is no code.
    pub code: Option<OneTimeCode>,
    pub next: Password,
}

/// Error returned when a password is not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// There is no such user, or the code is wrong, used, expired or of an earlier state of the
    /// user, or the user is disabled. The client does not learn which.
    #[error("the code is refused")]
    WrongCode,
    #[error("the password is made of words of the username or the email address")]
    MadeOfNames,
    /// Too many attempts of the client address have failed.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Mails a code with which a user sets a new password. The caller does not learn whether there
    /// is such a user.
    ///
    /// # Errors
    /// [`RequestCodeError`].
    pub async fn request_password_reset(
        &self,
        key: Option<LoginKey>,
        origin: Origin,
    ) -> Result<(), RequestCodeError> {
        let key = key.unwrap_or_else(LoginKey::of_no_user);
        self.mail_code_for_anyone(key, CodePurpose::ResetPassword, origin).await
    }

    /// Sets the password of the user who has the code, and ends all sessions of the user. The code
    /// is spent. A mailed code also verifies the address, so that its owner takes over an account
    /// that another person registered with it. A refused code costs the same work for every reason.
    ///
    /// # Errors
    /// [`ResetPasswordError`]. The code is spent in no case.
    pub async fn reset_password(
        &self,
        request: PasswordResetRequest,
        origin: Origin,
    ) -> Result<(), ResetPasswordError> {
        let work = self.try_reset_password(request, &origin);
        let is_failure = |why: &ResetPasswordError| matches!(why, ResetPasswordError::WrongCode);
        self.count_for_address(&origin, work, is_failure).await
    }

    async fn try_reset_password(
        &self,
        request: PasswordResetRequest,
        origin: &Origin,
    ) -> Result<(), ResetPasswordError> {
        let PasswordResetRequest { key, code, next } = request;
        let permit = self.passwords.queue(origin.address_prefix()).await?;
        let (user, code) = match self.find_code(key, code).await? {
            (Some(user), Some(code))
                if user.disabled_at_ms.is_none() && user.revision == code.revision =>
            {
                (user, code)
            }
            (user, _) => {
                // Other clients need the place while the event is written.
                drop(permit);
                return Err(self.refuse_code(user.map(|user| user.id), origin).await);
            }
        };
        if next.is_made_of_names(&self.rules.passwords, &user.username, &user.email) {
            return Err(ResetPasswordError::MadeOfNames);
        }
        let new_hash = self.passwords.hash(permit, &next).await?;
        let proves_email = code.email.as_ref() == Some(&user.email);
        let mut notice = self.password_notice(&user).await?;
        if proves_email {
            // The reset verifies the address, so the notice is not limited.
            notice.counter = None;
        }
        let reset = PasswordReset {
            proves_email,
            user_id: code.user_id,
            revision: code.revision,
            mac: code.mac,
            new_hash,
            notice: Some(notice),
            at_ms: self.clock.now_ms(),
        };
        if !self.sessions.reset_password(reset, Initiator::user(origin.clone())).await? {
            return Err(self.refuse_code(Some(user.id), origin).await);
        }
        self.outbox.wake();
        Ok(())
    }

    /// Finds the user of a name and the row of a code. Both queries run in every case, so that the
    /// time does not reveal whether the user exists.
    async fn find_code(
        &self,
        key: Option<LoginKey>,
        code: Option<OneTimeCode>,
    ) -> Result<(Option<User>, Option<StoredCode>), StoreError> {
        let key = key.unwrap_or_else(LoginKey::of_no_user);
        let code = code.unwrap_or_else(OneTimeCode::generate);
        let codes = self.codes.clone();
        let now = self.clock.now_ms();
        let find = move |connection: &mut _| {
            let user = users::find_by_login(connection, &key)?;
            let id = user.as_ref().map_or(Uuid::nil(), |user| user.id);
            let purposes = [CodePurpose::ResetPassword, CodePurpose::PrintedReset];
            let macs: Vec<String> =
                purposes.iter().flat_map(|purpose| codes.macs(&code, *purpose, &id)).collect();
            Ok((user, one_time_codes::find(connection, &macs, now)?))
        };
        self.store.run(find).await
    }

    /// Records that a code was refused, and returns the error for the client.
    async fn refuse_code(&self, user_id: Option<Uuid>, origin: &Origin) -> ResetPasswordError {
        let initiator = Initiator::unknown(origin.clone());
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::PasswordResetFailed, initiator, now);
        self.store.record_event(record.known_user(user_id).detail("wrong code")).await;
        ResetPasswordError::WrongCode
    }
}
