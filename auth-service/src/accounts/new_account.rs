//! Inserts the account of a visitor, with the mail that a registration sends.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Accounts,
    registration::{RegistrationError, Taken},
    repeated_registration::RepeatedRegistration,
};
use crate::{
    credentials::PasswordHash,
    domain::{
        account_rules::EmailVerification,
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        language::Language,
        mail::{Mail, MailMessage},
        mail_limit::MailKind,
        one_time_code::CodePurpose,
        session::Origin,
        username::Username,
    },
    store::{
        AnyConnection,
        invitations::{self, Invitation},
        one_time_codes::{self, NewCode},
        outbox::{self, NewMessage},
        users::{self, InsertOutcome, NewUser},
    },
};

/// An account to insert.
pub(super) struct AccountToInsert {
    pub id: Uuid,
    pub email: Email,
    pub username: Username,
    pub password_hash: PasswordHash,
    pub language: Language,
    pub invitation: Option<Invitation>,
    /// Whether a taken address is no error. The user of the address gets a mail.
    pub hides_address: bool,
}

/// Outcome of the transaction.
enum Outcome {
    /// The account is inserted. The value is whether a code was mailed.
    Inserted(bool),
    /// The address is taken, and the visitor does not learn it.
    Hidden,
    Taken(Taken),
    /// Another registration used the invitation.
    InvitationUsed,
}

/// What the transaction writes.
struct Rows {
    user: NewUser,
    language: Language,
    invitation: Option<Invitation>,
    /// Whether the person proved with the invitation to read the mail of the address.
    is_verified: bool,
    /// The code that verifies the address, and its mail.
    code: Option<(NewCode, NewMessage)>,
    delete_at_ms: Option<i64>,
    hides_address: bool,
}

impl Accounts {
    /// Inserts an account and the mail with a code. Spends the invitation.
    ///
    /// # Errors
    /// [`RegistrationError`]. After an error, the invitation is not spent.
    pub(super) async fn insert_account(
        &self,
        account: AccountToInsert,
        origin: Origin,
    ) -> Result<(), RegistrationError> {
        let rows = self.rows_of(account);
        let notice = RepeatedRegistration {
            outbox: Arc::clone(&self.outbox),
            codes: self.codes.clone(),
            initiator: Initiator::unknown(origin.clone()),
            now_ms: rows.user.created_at_ms,
        };
        let record = AuditRecord::new(
            AuditEvent::Registration,
            Initiator::user(origin),
            rows.user.created_at_ms,
        );
        let insert = move |connection: &mut _| match rows.insert(connection)? {
            Outcome::Inserted(is_code_mailed) => {
                let record = describe(record.user(rows.user.id), &rows, is_code_mailed);
                Ok((Outcome::Inserted(is_code_mailed), Some(record)))
            }
            Outcome::Hidden => Ok((Outcome::Hidden, notice.write(connection, &rows.user.email)?)),
            other => Ok((other, None)),
        };
        match self.store.audited(insert).await? {
            Outcome::Inserted(_) | Outcome::Hidden => {
                self.outbox.wake();
                Ok(())
            }
            Outcome::InvitationUsed => Err(RegistrationError::WrongInvitation),
            Outcome::Taken(taken) if taken == Taken::default() => Err(RegistrationError::Contended),
            Outcome::Taken(taken) => Err(RegistrationError::Taken(taken)),
        }
    }

    fn rows_of(&self, account: AccountToInsert) -> Rows {
        let AccountToInsert { id, invitation, hides_address, language, .. } = account;
        let created_at_ms = self.clock.now_ms();
        let mode = self.rules.email_verification;
        // Another spelling may be the address of another person.
        let is_same = |email: &str| Email::parse(email).is_ok_and(|email| email == account.email);
        let is_verified = invitation
            .as_ref()
            .is_some_and(|found| found.mailed_at.is_some() && is_same(&found.email));
        let claims = invitation.as_ref().map(|found| (found.scope.clone(), found.roles.clone()));
        let (scope, roles) = claims.unwrap_or_default();
        let user = NewUser {
            id,
            username: account.username,
            email: account.email,
            password_hash: account.password_hash,
            scope,
            roles,
            created_at_ms,
        };
        let gets_code = mode != EmailVerification::Off && !is_verified;
        let lifetime_ms = self.rules.unverified_lifetime.as_millis() as i64;
        let is_limited = mode == EmailVerification::Required && !is_verified;
        Rows {
            code: gets_code.then(|| self.first_code(&user, language)),
            delete_at_ms: is_limited.then(|| created_at_ms.saturating_add(lifetime_ms)),
            user,
            language,
            invitation,
            is_verified,
            hides_address,
        }
    }

    /// Returns the code that verifies the address of a new user, and its mail.
    fn first_code(&self, new: &NewUser, language: Language) -> (NewCode, NewMessage) {
        let user = new.user();
        let (code, row) = self.codes.issue(CodePurpose::VerifyEmail, &user, new.created_at_ms);
        let message = MailMessage::VerifyEmail {
            code: code.reveal(),
            lifetime_seconds: self.codes.lifetime().as_secs(),
        };
        let kind = MailKind::CodeForAnyone(CodePurpose::VerifyEmail);
        let counter = self.codes.mail_counter(kind, &user.email);
        let mail = Mail { to: user.email, language, username: user.username, message };
        (row, NewMessage { counter: Some(counter), ..self.outbox.mail(Some(user.id), &mail) })
    }
}

impl Rows {
    fn insert(&self, connection: &mut AnyConnection) -> diesel::QueryResult<Outcome> {
        let id = self.user.id.to_string();
        let now_ms = self.user.created_at_ms;
        if let Some(Invitation { mac, .. }) = &self.invitation
            && invitations::lock(connection, std::slice::from_ref(mac), now_ms)?.is_none()
        {
            return Ok(Outcome::InvitationUsed);
        }
        match users::insert(connection, &self.user)? {
            InsertOutcome::Inserted => {}
            InsertOutcome::Taken(Taken { username: false, email: true }) if self.hides_address => {
                return Ok(Outcome::Hidden);
            }
            InsertOutcome::Taken(taken) => {
                let email = taken.email && !self.hides_address;
                return Ok(Outcome::Taken(Taken { email, ..taken }));
            }
        }
        users::set_language(connection, &id, self.language)?;
        if let Some(invitation) = &self.invitation {
            invitations::delete(connection, &invitation.folded_email)?;
        }
        if self.is_verified {
            users::prove_email(connection, &id, now_ms)?;
        }
        if let Some(at_ms) = self.delete_at_ms {
            users::set_delete_at(connection, &id, at_ms)?;
        }
        let Some((code, mail)) = &self.code else { return Ok(Outcome::Inserted(false)) };
        let is_mailed = outbox::insert(connection, mail)?;
        if is_mailed {
            one_time_codes::insert(connection, code)?;
        }
        Ok(Outcome::Inserted(is_mailed))
    }
}

fn describe(record: AuditRecord, rows: &Rows, is_code_mailed: bool) -> AuditRecord {
    match &rows.invitation {
        Some(Invitation { scope, roles, .. }) => {
            record.detail(format!("with an invitation; scopes: {scope}; roles: {roles}"))
        }
        None if is_code_mailed => record.detail("a code was mailed"),
        None => record,
    }
}
