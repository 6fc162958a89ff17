//! A visitor registers the address of a user.

use std::sync::Arc;

use super::OneTimeCodes;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        login_key::LoginKey,
        mail::{Mail, MailMessage},
        mail_limit::MailKind,
    },
    jobs::outbox::Outbox,
    store::{
        AnyConnection, one_time_codes,
        outbox::{self, NewMessage},
        users,
    },
};

/// Tells the user of an address that a visitor registered the address. Voids the password of a user
/// who has not verified the address: a stranger may have registered the address before its owner
/// did, and the owner may verify it now.
pub(super) struct RepeatedRegistration {
    pub outbox: Arc<Outbox>,
    pub codes: OneTimeCodes,
    pub initiator: Initiator,
    pub now_ms: i64,
}

impl RepeatedRegistration {
    /// Writes the mail, unless the user is disabled or the address got many of these mails within a
    /// day. The password is voided in each case. Returns the event.
    pub fn write(
        self,
        connection: &mut AnyConnection,
        email: &Email,
    ) -> diesel::QueryResult<Option<AuditRecord>> {
        let Self { outbox, codes, initiator, now_ms } = self;
        let key = LoginKey::Email(email.keys());
        let Some(owner) = users::find_by_login(connection, &key)? else { return Ok(None) };
        let id = owner.id.to_string();
        one_time_codes::lock(connection, &id)?;
        let counter = codes.mail_counter(MailKind::AlreadyRegistered, &owner.email);
        let state = users::mail_state(connection, &id)?;
        let is_voided = users::void_unproved_password(connection, &id)?;
        let mail = Mail {
            to: owner.email,
            language: state.language,
            username: owner.username,
            message: MailMessage::AlreadyRegistered,
        };
        let message = outbox.mail(Some(owner.id), &mail);
        let message = NewMessage { counter: Some(counter), ..message };
        if owner.disabled_at_ms.is_some() || !outbox::insert(connection, &message)? {
            return Ok(None);
        }
        let event = AuditEvent::RegistrationRepeated;
        let record = AuditRecord::new(event, initiator, now_ms).user(owner.id);
        Ok(Some(match is_voided {
            true => record.detail("the address is not verified: the password is void"),
            false => record,
        }))
    }
}
