//! Mails that tell a user what happened to the account.
//!
//! An address that its user has not verified gets a limited number of them, because it may belong
//! to another person. A verified address gets all of them, because a thief must not use them up.

use std::sync::Arc;

use super::{Accounts, OneTimeCodes};
use crate::{
    domain::{
        mail::{Mail, MailMessage},
        mail_limit::MailKind,
    },
    jobs::outbox::Outbox,
    store::{
        Store, StoreError,
        outbox::{self, NewMessage},
        users::{self, MailState, User},
    },
};

/// What writing a notice takes.
pub(super) struct Notices {
    pub store: Store,
    outbox: Arc<Outbox>,
    codes: OneTimeCodes,
}

impl Accounts {
    pub(super) fn notices(&self) -> Notices {
        let outbox = Arc::clone(&self.outbox);
        Notices { store: self.store.clone(), outbox, codes: self.codes.clone() }
    }

    /// Returns the mail about a change of password, for the transaction of the change.
    ///
    /// # Errors
    /// If the database does not answer.
    pub(super) async fn password_notice(&self, user: &User) -> Result<NewMessage, StoreError> {
        self.notices().message(user.clone(), MailMessage::PasswordChanged).await
    }

    /// Mails a user that many logins have failed. Returns before the database has the mail, so that
    /// the time of the answer does not reveal whether there is such a user.
    pub(super) fn mail_failed_logins(&self, user_id: String) {
        let notices = self.notices();
        self.after_answer.run(async move {
            let find = move |connection: &mut _| users::find(connection, &user_id);
            let Ok(Some(user)) = notices.store.run(find).await else { return };
            notices.write(user, MailMessage::FailedLogins).await;
        });
    }
}

impl Notices {
    /// Returns a notice to a user, for a transaction.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn message(
        &self,
        user: User,
        message: MailMessage,
    ) -> Result<NewMessage, StoreError> {
        let id = user.id.to_string();
        let state = self.store.run(move |connection| users::mail_state(connection, &id));
        let MailState { is_verified, language } = state.await?;
        let kind = MailKind::Notice(message.topic());
        let counter = (!is_verified).then(|| self.codes.mail_counter(kind, &user.email));
        let mail = Mail { to: user.email, language, username: user.username, message };
        Ok(NewMessage { counter, ..self.outbox.mail(Some(user.id), &mail) })
    }

    /// Writes a notice to a user. The log has the reason of a failure.
    pub async fn write(&self, user: User, message: MailMessage) {
        let Ok(message) = self.message(user, message).await else { return };
        let insert = move |connection: &mut _| outbox::insert(connection, &message);
        if self.store.run(insert).await.is_ok() {
            self.outbox.wake();
        }
    }
}
