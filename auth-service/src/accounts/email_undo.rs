//! The owner of a former email address of an account takes the account back from a thief.

use super::{Accounts, CodeError};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        mail::{Mail, MailMessage},
        one_time_code::{CodePurpose, OneTimeCode},
        session::Origin,
    },
    store::{
        StoreError,
        one_time_codes::{self, NewCode},
        outbox::NewMessage,
        users::{self, EmailUndo, User},
    },
};

impl Accounts {
    /// Undoes the change of an email address for the owner of the former address, who has the code
    /// that was mailed there. The account has the former address again, its password is void, all
    /// its sessions end, and the address gets a code that sets a new password.
    ///
    /// # Errors
    /// [`CodeError`].
    pub async fn undo_email_change(
        &self,
        former: Email,
        code: Option<OneTimeCode>,
        origin: Origin,
    ) -> Result<(), CodeError> {
        let work = self.try_undo_email_change(former, code, &origin);
        let is_failure = |why: &CodeError| matches!(why, CodeError::WrongCode);
        self.count_for_address(&origin, work, is_failure).await
    }

    async fn try_undo_email_change(
        &self,
        former: Email,
        code: Option<OneTimeCode>,
        origin: &Origin,
    ) -> Result<(), CodeError> {
        let now = self.clock.now_ms();
        if let Some(undo) = self.find_undo(&former, code, now).await? {
            let initiator = Initiator::user(origin.clone());
            if self.sessions.undo_email_change(undo, initiator).await? {
                self.outbox.wake();
                return Ok(());
            }
        }
        let initiator = Initiator::unknown(origin.clone());
        let record = AuditRecord::new(AuditEvent::EmailChangeFailed, initiator, now);
        self.store.record_event(record.detail("wrong code of a former address")).await;
        Err(CodeError::WrongCode)
    }

    async fn find_undo(
        &self,
        former: &Email,
        code: Option<OneTimeCode>,
        now_ms: i64,
    ) -> Result<Option<EmailUndo>, StoreError> {
        let code = code.unwrap_or_else(OneTimeCode::generate);
        let folded = former.keys().folded;
        let macs = self.codes.macs_for(&code, CodePurpose::UndoEmailChange, &folded);
        let find = move |connection: &mut _| {
            let Some(code) = one_time_codes::find(connection, &macs, now_ms)? else {
                return Ok(None);
            };
            let user = users::find(connection, &code.user_id)?;
            let mails = users::mail_state(connection, &code.user_id)?;
            Ok(user.map(|user| (user, mails, code)))
        };
        let Some((user, mails, code)) = self.store.run(find).await? else { return Ok(None) };
        // The spelling that the user had.
        let former = code.email.unwrap_or_else(|| former.as_str().to_owned());
        let (mail, reset) = self.reset_code(&user, former.clone(), mails, now_ms);
        Ok(Some(EmailUndo {
            user_id: code.user_id,
            mac: code.mac,
            revision: code.revision,
            former,
            reset,
            mail,
            at_ms: now_ms,
        }))
    }

    /// Returns a mail to an address with a code that resets the password, and the row of the code.
    fn reset_code(
        &self,
        user: &User,
        to: String,
        mails: users::MailState,
        now_ms: i64,
    ) -> (NewMessage, NewCode) {
        let (code, row) = self.codes.issue(CodePurpose::ResetPassword, user, now_ms);
        let row = NewCode { email: Email::parse(&to).ok(), ..row };
        let lifetime_seconds = self.codes.lifetime().as_secs();
        let message = MailMessage::ResetPassword { code: code.reveal(), lifetime_seconds };
        let (language, username) = (mails.language, user.username.clone());
        (self.outbox.mail(Some(user.id), &Mail { to, language, username, message }), row)
    }
}
