//! Mails one-time codes to users.

use std::sync::Arc;

use shared::clock::Clock;
use uuid::Uuid;

use super::{Accounts, OneTimeCodes};
use crate::{
    domain::{
        audit::{Actor, AuditEvent, AuditRecord, Initiator},
        email::Email,
        language::Language,
        login_key::LoginKey,
        mail::{Mail, MailMessage},
        mail_limit::{MailCounter, MailKind},
        one_time_code::CodePurpose,
        session::Origin,
        throttle::Settlement,
    },
    jobs::outbox::Outbox,
    store::{
        AnyConnection, Store, StoreError, address_mails,
        one_time_codes::{self, NewCode},
        outbox,
        users::{self, MailState, User, UserKey},
    },
    throttle::Throttled,
};

/// Error returned when a request for a code is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestCodeError {
    /// Too many requests came from the address of the client.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What mailing a code takes.
struct MailedCode {
    store: Store,
    codes: OneTimeCodes,
    outbox: Arc<Outbox>,
    clock: Clock,
    purpose: CodePurpose,
    /// `None`: the address of the user.
    address: Option<Email>,
    /// A user has an access token or the password. Any other caller may be a stranger.
    initiator: Initiator,
}

impl Accounts {
    /// Mails a code to a user with this name, for a caller who may be a stranger. Each request
    /// counts as a failure of the client's address, whether or not there is such a user.
    ///
    /// # Errors
    /// [`RequestCodeError`].
    pub(super) async fn mail_code_for_anyone(
        &self,
        key: LoginKey,
        purpose: CodePurpose,
        origin: Origin,
    ) -> Result<(), RequestCodeError> {
        let work = async {
            let user = self.find_user(UserKey::Login(key)).await?;
            self.mail_code(user, purpose, Initiator::unknown(origin.clone()));
            Ok(())
        };
        let settle = |outcome: &Result<(), RequestCodeError>| match outcome {
            Ok(()) => Settlement::Failed,
            Err(_) => Settlement::Cancelled,
        };
        self.settle_for_address(&origin, work, settle).await
    }

    /// Mails a code to a user who exists and is not disabled. Returns before the database has the
    /// mail, so that the time of the answer does not reveal whether there is such a user. The time
    /// of the next answer does not reveal it either: if no mail is written, the database has the
    /// same work.
    pub(super) fn mail_code(&self, user: Option<User>, purpose: CodePurpose, initiator: Initiator) {
        self.mail_code_to(user, purpose, None, initiator);
    }

    /// As [`Accounts::mail_code`], to `address` if one is given. If the user cannot take that
    /// address, only the mail is missing, so that the user does not notice it.
    pub(super) fn mail_code_to(
        &self,
        user: Option<User>,
        purpose: CodePurpose,
        address: Option<Email>,
        initiator: Initiator,
    ) {
        let user = user.filter(|user| user.disabled_at_ms.is_none());
        let mailed = MailedCode {
            store: self.store.clone(),
            codes: self.codes.clone(),
            outbox: Arc::clone(&self.outbox),
            clock: self.clock.clone(),
            purpose,
            address,
            initiator,
        };
        self.after_answer.run(async move {
            let written = match user {
                Some(user) => mailed.write(user).await,
                None => mailed.write_nothing(Uuid::nil()).await,
            };
            if let Err(why) = written {
                log::error!("a code was not mailed ({}): {why}", purpose.name());
            }
        });
    }
}

impl MailedCode {
    /// Writes a code and its mail, unless the address got many lately or the user does not need the
    /// code.
    async fn write(self, user: User) -> Result<(), StoreError> {
        let state_id = user.id.to_string();
        let state = self.store.run(move |connection| users::mail_state(connection, &state_id));
        let MailState { is_verified, language } = state.await?;
        if is_verified && self.purpose == CodePurpose::VerifyEmail {
            return self.write_nothing(user.id).await;
        }
        let now = self.clock.now_ms();
        let (code, row) = self.codes.issue(self.purpose, &user, now);
        let row = NewCode { email: self.address.clone().or(row.email), ..row };
        let lifetime_seconds = self.codes.lifetime().as_secs();
        let Some(message) = message(self.purpose, code.reveal(), lifetime_seconds) else {
            return Ok(());
        };
        let to = self.address.as_ref().map_or(&*user.email, Email::as_str).to_owned();
        let counters = self.counters(user.id, &to);
        let is_of_user = self.is_of_user();
        let id = user.id;
        let mail = Mail { to, language, username: user.username, message };
        // A mail to a new address is not the user's: its absence would reveal a taken address in the
        // export of the account.
        let message = self.outbox.mail(self.address.is_none().then_some(id), &mail);
        let record = AuditRecord::new(AuditEvent::CodeMailed, self.initiator, now);
        let record = record.user(id).detail(self.purpose.name());
        let address = self.address;
        let write = move |connection: &mut _| {
            let id = id.to_string();
            one_time_codes::lock(connection, &id)?;
            outbox::insert(connection, &message)?;
            if !count_all(connection, &counters, now)? {
                outbox::delete_sent(connection, &message.id)?;
                return Ok(((), None));
            }
            match is_of_user {
                true => one_time_codes::replace(connection, &row)?,
                // A stranger must not void a code that the user waits for.
                false => one_time_codes::insert(connection, &row)?,
            }
            if let Some(address) = &address
                && !users::is_email_available(connection, address, &id, now)?
            {
                outbox::delete_sent(connection, &message.id)?;
            }
            Ok(((), Some(record)))
        };
        self.store.audited(write).await?;
        self.outbox.wake();
        Ok(())
    }

    fn is_of_user(&self) -> bool {
        self.initiator.actor == Actor::User
    }

    /// Returns the counters that the mail advances.
    fn counters(&self, id: Uuid, to: &str) -> Vec<MailCounter> {
        let kind = match self.is_of_user() {
            true => MailKind::CodeForUser(self.purpose),
            false => MailKind::CodeForAnyone(self.purpose),
        };
        // The user of an account must not reach many other people either.
        let of_user = self.address.as_ref().map(|_| (MailKind::ChangeOfEmail, id.to_string()));
        let all = of_user.into_iter().chain([(kind, to.to_owned())]);
        all.map(|(kind, subject)| self.codes.mail_counter(kind, &subject)).collect()
    }

    /// Does the work of [`MailedCode::write`] for a user who gets no mail: writes a mail, and
    /// deletes it in the same transaction.
    async fn write_nothing(self, id: Uuid) -> Result<(), StoreError> {
        let id = id.to_string();
        let state_id = id.clone();
        self.store.run(move |connection| users::mail_state(connection, &state_id)).await?;
        let mail = Mail {
            to: "user@example.com".into(),
            language: Language::default(),
            username: "no user".into(),
            message: MailMessage::Test,
        };
        let message = self.outbox.mail(None, &mail);
        let kind = MailKind::CodeForAnyone(self.purpose);
        // Of no address, so that no other request waits for the counter.
        let counter = self.codes.mail_counter(kind, &Uuid::now_v7().to_string());
        let now = self.clock.now_ms();
        let write = move |connection: &mut _| {
            one_time_codes::lock(connection, &id)?;
            outbox::insert(connection, &message)?;
            address_mails::count(connection, &counter, now)?;
            address_mails::reset(connection, &counter)?;
            outbox::delete_sent(connection, &message.id)?;
            Ok(((), None))
        };
        self.store.audited(write).await
    }
}

/// Counts a mail with these counters. Returns whether all counters admit the mail.
fn count_all(
    connection: &mut AnyConnection,
    counters: &[MailCounter],
    now_ms: i64,
) -> diesel::QueryResult<bool> {
    for counter in counters {
        if !address_mails::count(connection, counter, now_ms)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the message with a code. Returns `None` for codes that no request of a user mails.
fn message(purpose: CodePurpose, code: String, lifetime_seconds: u64) -> Option<MailMessage> {
    Some(match purpose {
        CodePurpose::VerifyEmail => MailMessage::VerifyEmail { code, lifetime_seconds },
        CodePurpose::ResetPassword => MailMessage::ResetPassword { code, lifetime_seconds },
        CodePurpose::ChangeEmail => MailMessage::ChangeEmail { code, lifetime_seconds },
        CodePurpose::DeleteAccount => MailMessage::DeleteAccount { code, lifetime_seconds },
        CodePurpose::PrintedReset | CodePurpose::Invitation | CodePurpose::UndoEmailChange => {
            return None;
        }
    })
}
