//! A user changes the email address, and confirms the change with a code from the new address.

use shared::claims::AccessClaims;

use super::{Accounts, CurrentPasswordError};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        mail::{Mail, MailMessage},
        one_time_code::{CodePurpose, OneTimeCode},
        password::Password,
        session::Origin,
    },
    store::{
        StoreError,
        one_time_codes::{self, NewCode, StoredCode},
        users::{self, EmailChange, FormerAddress, User},
    },
    throttle::Throttled,
};

/// A request to change the email address.
#[derive(Debug)]
pub struct EmailChangeRequest {
    pub next: Email,
    pub password: Password,
}

/// Error returned when a change of address is not requested.
#[derive(Debug, thiserror::Error)]
pub enum RequestEmailError {
    #[error(transparent)]
    Password(#[from] CurrentPasswordError),
    #[error("the user has the address already")]
    Unchanged,
}

/// Error returned when a change of address is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailError {
    /// The code is wrong, used, expired or of an earlier state of the user, or another user has the
    /// address meanwhile. The client does not learn which.
    #[error("the code is refused")]
    WrongCode,
    /// The user was deleted meanwhile.
    #[error("the user does not exist")]
    UnknownUser,
    /// Too many codes from the address of the client were wrong.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A code that changes the address, with its user and the new address.
struct Found {
    user: User,
    code: StoredCode,
    next: Email,
    mails: users::MailState,
}

impl Accounts {
    /// Mails a code to the address that the user of `claims` wants to have. The caller does not
    /// learn whether another user has the address.
    ///
    /// # Errors
    /// [`RequestEmailError`].
    pub async fn request_email_change(
        &self,
        claims: &AccessClaims,
        request: EmailChangeRequest,
        origin: Origin,
    ) -> Result<(), RequestEmailError> {
        let EmailChangeRequest { next, password } = request;
        let action = "change of email";
        let user = self.verify_current_password(claims, &password, action, &origin).await?;
        if user.email == next.as_str() {
            return Err(RequestEmailError::Unchanged);
        }
        let initiator = Initiator::user(origin);
        self.mail_code_to(Some(user), CodePurpose::ChangeEmail, Some(next), initiator);
        Ok(())
    }

    /// Changes the address of the user of `claims` to the one that got the code, and mails both
    /// addresses. The code is spent.
    ///
    /// # Errors
    /// [`ConfirmEmailError`].
    pub async fn change_email(
        &self,
        claims: &AccessClaims,
        code: Option<OneTimeCode>,
        origin: Origin,
    ) -> Result<(), ConfirmEmailError> {
        let work = self.try_change_email(claims, code, &origin);
        let is_failure = |why: &ConfirmEmailError| matches!(why, ConfirmEmailError::WrongCode);
        self.count_for_address(&origin, work, is_failure).await
    }

    async fn try_change_email(
        &self,
        claims: &AccessClaims,
        code: Option<OneTimeCode>,
        origin: &Origin,
    ) -> Result<(), ConfirmEmailError> {
        let initiator = Initiator::user(origin.clone());
        let now = self.clock.now_ms();
        let record = |event| {
            let record = AuditRecord::new(event, initiator.clone(), now);
            record.user(&claims.sub).session(claims.sid)
        };
        if let Some(found) = self.find_email_change(claims, code, now).await? {
            let change = self.email_change(found, now);
            let change = move |connection: &mut _| users::change_email(connection, &change);
            if self.store.audited_if(record(AuditEvent::EmailChanged), change).await? {
                self.outbox.wake();
                return Ok(());
            }
        }
        self.store.record_event(record(AuditEvent::EmailChangeFailed).detail("wrong code")).await;
        Err(ConfirmEmailError::WrongCode)
    }

    /// Finds the row of a code of the user of `claims`, as the user is now.
    async fn find_email_change(
        &self,
        claims: &AccessClaims,
        code: Option<OneTimeCode>,
        now_ms: i64,
    ) -> Result<Option<Found>, ConfirmEmailError> {
        let id = claims.sub.clone();
        let codes = self.codes.clone();
        let find = move |connection: &mut _| {
            let Some(user) = users::find(connection, &id)? else { return Ok(None) };
            let Some(code) = code else { return Ok(Some((user, None))) };
            let macs = codes.macs(&code, CodePurpose::ChangeEmail, &user.id);
            let Some(code) = one_time_codes::find(connection, &macs, now_ms)? else {
                return Ok(Some((user, None)));
            };
            let mails = users::mail_state(connection, &id)?;
            Ok(Some((user, Some((code, mails)))))
        };
        let found = self.store.run(find).await?.ok_or(ConfirmEmailError::UnknownUser)?;
        let (user, Some((code, mails))) = found else { return Ok(None) };
        let next = code.email.as_deref().and_then(|email| Email::parse(email).ok());
        let is_current = code.revision == user.revision;
        Ok(next.filter(|_| is_current).map(|next| Found { user, code, next, mails }))
    }

    fn email_change(&self, found: Found, now_ms: i64) -> EmailChange {
        let Found { user, code, next, mails } = found;
        let mail = |to: &Email, message| {
            let to = to.as_str().to_owned();
            let (language, username) = (mails.language, user.username.clone());
            self.outbox.mail(Some(user.id), &Mail { to, language, username, message })
        };
        // The rules for addresses may have changed since the user got the former one.
        let former = Email::parse(&user.email).ok();
        // Another spelling is the same address, which gets the mail about the change.
        let former = former.filter(|former| former.keys().folded != next.keys().folded);
        let former = former.map(|former| {
            let (message, undo) = self.undo_code(&former, &user, now_ms);
            let undo_notice = mail(&former, message);
            FormerAddress { undo, undo_notice, notice: mail(&former, MailMessage::EmailLeft) }
        });
        EmailChange {
            user_id: code.user_id,
            mac: code.mac,
            revision: code.revision,
            notice: mail(&next, MailMessage::EmailChanged),
            next,
            former,
            at_ms: now_ms,
        }
    }

    fn undo_code(&self, former: &Email, user: &User, now_ms: i64) -> (MailMessage, NewCode) {
        let lifetime = self.times.email_undo_lifetime;
        let (code, row) = self.codes.issue_undo(former, user, lifetime, now_ms);
        let (code, lifetime_seconds) = (code.reveal(), lifetime.as_secs());
        (MailMessage::UndoEmailChange { code, lifetime_seconds }, row)
    }
}
