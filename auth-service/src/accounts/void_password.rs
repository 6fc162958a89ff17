//! An operator voids the password of a user, who sets a new one with a one-time code.

use super::{
    OneTimeCodes,
    admin::{AdminError, Replica, User, UserAdmin},
};
use crate::{
    domain::{
        audit::AuditEvent,
        mail::{Mail, MailMessage},
        one_time_code::{CodePurpose, OneTimeCode},
        session::EndCause,
    },
    store::{
        outbox::{self, NewMessage},
        users,
    },
};

/// A password that an operator has just voided.
pub struct PasswordVoided {
    pub user: User,
    pub sessions_ended: usize,
    /// The code with which the user sets a new password. `None`: it is mailed to the user.
    pub code: Option<OneTimeCode>,
}

impl UserAdmin {
    /// Voids a user's password and ends all sessions. Returns the user, the number of sessions, and
    /// the code with which the user sets a new password.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn reset_password(
        &self,
        name: &str,
        codes: &OneTimeCodes,
    ) -> Result<PasswordVoided, AdminError> {
        self.void_password(&self.find(name).await?, codes).await
    }

    /// Voids the password of a user, as [`UserAdmin::find`] returned it, and ends all sessions. If
    /// the replica mails codes, the user gets the code: an administrator who could read it, or a
    /// thief of the administrator's token, could take over every account.
    ///
    /// # Errors
    /// [`AdminError::OwnAccount`], [`AdminError::Changed`] if the address has changed meanwhile,
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn void_password(
        &self,
        user: &User,
        codes: &OneTimeCodes,
    ) -> Result<PasswordVoided, AdminError> {
        if self.initiator.is_admin_with_id(user.id) {
            return Err(AdminError::OwnAccount(
                "An administrator cannot reset their own password here. POST /password changes it.",
            ));
        }
        let cause = EndCause::PasswordReset;
        self.end_surplus(user, cause).await?;
        let now = self.clock.now_ms();
        let mailer = self.replica.as_ref().filter(|replica| replica.mails_codes);
        let purpose = match mailer {
            Some(_) => CodePurpose::ResetPassword,
            None => CodePurpose::PrintedReset,
        };
        let (code, row) = codes.issue(purpose, user, now);
        let message = match mailer {
            Some(replica) => Some(self.mail_with_code(replica, user, &code, codes).await?),
            None => None,
        };
        let record = self.record(AuditEvent::Ended(cause), now, user);
        let read = user.clone();
        let void = move |connection: &mut _| {
            let unknown = AdminError::UnknownUser(read.username);
            match users::find_locked(connection, &row.user_id)? {
                // The code is for the owner of the address.
                Some(present) if present.email != read.email => {
                    return Ok((Err(AdminError::Changed), None));
                }
                Some(_) => {}
                None => return Ok((Err(unknown), None)),
            }
            let Some(ended) = users::void_password(connection, &row)? else {
                return Ok((Err(unknown), None));
            };
            if let Some(message) = &message {
                outbox::insert(connection, message)?;
            }
            let record = record.ended_sessions(&ended);
            Ok((Ok(ended), Some(record)))
        };
        let ended = self.store.audited(void).await??;
        let sessions_ended = ended.len();
        self.publish(cause, ended).await;
        if let Some(replica) = mailer {
            replica.outbox.wake();
        }
        let code = mailer.is_none().then_some(code);
        Ok(PasswordVoided { user: user.clone(), sessions_ended, code })
    }

    async fn mail_with_code(
        &self,
        replica: &Replica,
        user: &User,
        code: &OneTimeCode,
        codes: &OneTimeCodes,
    ) -> Result<NewMessage, AdminError> {
        let id = user.id.to_string();
        let state = self.store.run(move |connection| users::mail_state(connection, &id)).await?;
        let lifetime_seconds = codes.lifetime().as_secs();
        let mail = Mail {
            to: user.email.clone(),
            language: state.language,
            username: user.username.clone(),
            message: MailMessage::PasswordVoided { code: code.reveal(), lifetime_seconds },
        };
        Ok(replica.outbox.mail(Some(user.id), &mail))
    }
}
