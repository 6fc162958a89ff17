//! A user deletes the account, and can return within a grace period.

use std::time::Duration;

use shared::claims::AccessClaims;

use super::{Accounts, CurrentPasswordError};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        mail::MailMessage,
        one_time_code::{CodePurpose, OneTimeCode},
        password::Password,
        session::Origin,
    },
    store::{
        StoreError, one_time_codes, outbox,
        users::{self, AccountDeletion, Cancellation, User, UserKey},
    },
    throttle::Throttled,
};

const HOUR_MS: i64 = 3_600_000;

/// How a user proves a request to delete the account.
#[derive(Debug)]
pub enum DeletionProof {
    /// The current password.
    Password(Password),
    /// A code from a mail. `None` if the text is no code.
    Code(Option<OneTimeCode>),
}

/// Error returned when an account is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    #[error(transparent)]
    Password(#[from] CurrentPasswordError),
    /// The code is wrong, used, expired or of an earlier state of the user. The client does not
    /// learn which.
    #[error("the code is refused")]
    WrongCode,
    /// The user changed between the verification of the password and the deletion.
    #[error("the user changed during the deletion")]
    Contended,
    /// Too many codes from the address of the client were wrong.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Progress of the deletion of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    NotAsked,
    /// The grace period has begun.
    Begun,
    Done,
}

impl Accounts {
    /// Mails a code with which the user of `claims` deletes the account without a password.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn request_deletion_code(
        &self,
        claims: &AccessClaims,
        origin: Origin,
    ) -> Result<(), StoreError> {
        let user = self.find_user(UserKey::Id(claims.sub.clone())).await?;
        self.mail_code(user, CodePurpose::DeleteAccount, Initiator::user(origin));
        Ok(())
    }

    /// Returns whether a user has asked for the deletion of the account.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn deletion_of(&self, user_id: String) -> Result<Deletion, StoreError> {
        let key = UserKey::Id(user_id);
        let find = move |connection: &mut _| users::find_with_password(connection, &key);
        Ok(match self.store.run(find).await? {
            None => Deletion::Done,
            Some(found) if found.is_deletion_pending => Deletion::Begun,
            Some(_) => Deletion::NotAsked,
        })
    }

    /// Deletes the account of the user of `claims`. All sessions end. The user is deleted at once,
    /// or at the end of the grace period unless the user logs in before. Returns the end of the
    /// grace period in milliseconds since the Unix epoch, and `None` if the user was deleted at
    /// once. The grace period lasts at least until no change of the address can be undone.
    ///
    /// # Errors
    /// [`DeleteAccountError`].
    pub async fn delete_account(
        &self,
        claims: &AccessClaims,
        proof: DeletionProof,
        origin: Origin,
    ) -> Result<Option<i64>, DeleteAccountError> {
        match proof {
            DeletionProof::Password(password) => {
                let action = "deletion of the account";
                let user = self.verify_current_password(claims, &password, action, &origin).await?;
                let deleted = self.delete_user(user, None, &origin).await?;
                deleted.ok_or(DeleteAccountError::Contended)
            }
            DeletionProof::Code(code) => {
                let work = self.delete_by_code(claims, code, &origin);
                let is_failure =
                    |why: &DeleteAccountError| matches!(why, DeleteAccountError::WrongCode);
                self.count_for_address(&origin, work, is_failure).await
            }
        }
    }

    async fn delete_by_code(
        &self,
        claims: &AccessClaims,
        code: Option<OneTimeCode>,
        origin: &Origin,
    ) -> Result<Option<i64>, DeleteAccountError> {
        let now = self.clock.now_ms();
        let found = match (self.find_user(UserKey::Id(claims.sub.clone())).await?, code) {
            (None, _) => return Err(CurrentPasswordError::UnknownUser.into()),
            (Some(_), None) => None,
            (Some(user), Some(code)) => {
                let macs = self.codes.macs(&code, CodePurpose::DeleteAccount, &user.id);
                let find = move |connection: &mut _| one_time_codes::find(connection, &macs, now);
                let code = self.store.run(find).await?;
                code.filter(|code| code.revision == user.revision).map(|code| (user, code))
            }
        };
        if let Some((user, code)) = found
            && let Some(deleted) = self.delete_user(user, Some(code.mac), origin).await?
        {
            return Ok(deleted);
        }
        let event = AuditEvent::ReauthenticationFailed;
        let record = AuditRecord::new(event, Initiator::user(origin.clone()), now);
        let record = record.user(&claims.sub).session(claims.sid);
        self.store.record_event(record.detail("deletion of the account: wrong code")).await;
        Err(DeleteAccountError::WrongCode)
    }

    /// As [`Accounts::delete_account`], for a user who has proved the request. Returns `None` if
    /// the user has changed, or the code is spent.
    async fn delete_user(
        &self,
        user: User,
        mac: Option<String>,
        origin: &Origin,
    ) -> Result<Option<Option<i64>>, StoreError> {
        let id = user.id.to_string();
        let now = self.clock.now_ms();
        let read = move |connection: &mut _| one_time_codes::undo_until(connection, &id, now);
        // A later code changes the revision of the user, so the deletion is refused then.
        let undo_until_ms = self.store.run(read).await?;
        let delete_at_ms = delete_at(now, self.times.deletion_grace, undo_until_ms);
        let grace_ms = delete_at_ms.map_or(0, |at_ms| at_ms - now);
        let message = MailMessage::AccountDeleted { grace_seconds: (grace_ms / 1000) as u64 };
        let deletion = AccountDeletion {
            user_id: user.id.to_string(),
            revision: user.revision,
            mac,
            delete_at_ms,
            notice: self.notices().message(user, message).await?,
            at_ms: now,
        };
        let initiator = Initiator::user(origin.clone());
        let is_deleted = self.sessions.delete_account(deletion, initiator).await?;
        self.outbox.wake();
        Ok(is_deleted.then_some(delete_at_ms))
    }

    /// Cancels the deletion of a user who has just logged in. The user gets a mail, because the
    /// login may be that of a thief.
    pub(super) async fn cancel_deletion(
        &self,
        user: User,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let initiator = Initiator::user(origin.clone());
        let now = self.clock.now_ms();
        let event = AuditEvent::DeletionCancelled;
        let record = AuditRecord::new(event, initiator, now).user(user.id);
        let id = user.id.to_string();
        let message = self.notices().message(user, MailMessage::DeletionCancelled).await?;
        let cancel = move |connection: &mut _| {
            let cancelled = users::cancel_deletion(connection, &id)?;
            if cancelled == Cancellation::OfRequest {
                outbox::insert(connection, &message)?;
            }
            Ok(cancelled != Cancellation::Nothing)
        };
        if self.store.audited_if(record, cancel).await? {
            self.outbox.wake();
        }
        Ok(())
    }
}

/// Returns the end of the grace period. `None`: the account is deleted at once. An account outlives
/// the codes that undo a change of its address, because a thief may have asked for the deletion.
/// The time of the deletion is then in full hours from now, as the mail states it.
fn delete_at(now_ms: i64, grace: Duration, undo_until_ms: Option<i64>) -> Option<i64> {
    let grace_ms = grace.as_millis() as i64;
    let undo_ms = undo_until_ms.map_or(0, |until_ms| until_ms - now_ms);
    let delay_ms = match undo_ms > grace_ms {
        true => undo_ms.saturating_add(HOUR_MS - 1) / HOUR_MS * HOUR_MS,
        false => grace_ms,
    };
    (delay_ms > 0).then(|| now_ms + delay_ms)
}
