//! An operator invites a person to register, and a visitor registers with the invitation.

use std::time::Duration;

use super::{
    Accounts, OneTimeCodes,
    admin::{AdminError, UserAdmin},
    claims::require_short,
    registration::{GivenInvitation, RegistrationError},
};
pub use crate::store::invitations::Invitation;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        language::Language,
        login_key::LoginKey,
        mail::{Mail, MailMessage},
        one_time_code::{CodePurpose, OneTimeCode},
        scope::sorted_names,
        session::Origin,
    },
    jobs::outbox::MailSealer,
    store::{invitations, one_time_codes, outbox, users},
};

/// An invitation to create.
pub struct NewInvitation {
    pub email: Email,
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
    pub language: Language,
    pub lifetime: Duration,
    /// Seals the mail. `None`: the operator gets the code instead.
    pub mail: Option<MailSealer>,
}

/// An invitation that an operator has just created.
pub struct Invited {
    pub invitation: Invitation,
    /// The code, unless it was mailed.
    pub code: Option<OneTimeCode>,
}

impl UserAdmin {
    /// Invites a person to register an address. An earlier invitation for the address is void.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn invite(
        &self,
        new: NewInvitation,
        codes: &OneTimeCodes,
    ) -> Result<Invited, AdminError> {
        let NewInvitation { email, scopes, roles, language, lifetime, mail } = new;
        let (scope, roles) = (sorted_names(scopes), sorted_names(roles));
        require_short(email.as_str(), &scope, &roles)?;
        let key = LoginKey::Email(email.keys());
        let now = self.clock.now_ms();
        let address = email.clone();
        let find = move |connection: &mut _| {
            let user = users::find_by_login(connection, &key)?;
            Ok((user, one_time_codes::is_kept_address(connection, &address, users::NO_USER, now)?))
        };
        match self.store.run(find).await? {
            (Some(_), _) => return Err(AdminError::Taken("email address")),
            (None, true) => return Err(AdminError::KeptAddress),
            (None, false) => {}
        }
        let code = OneTimeCode::generate();
        let folded_email = email.keys().folded;
        let invitation = Invitation {
            mac: codes.mac_for(&code, CodePurpose::Invitation, &folded_email),
            email: email.as_str().to_owned(),
            folded_email,
            scope,
            roles,
            mailed_at: mail.is_some().then_some(now),
            created_at: now,
            expires_at: now.saturating_add(lifetime.as_millis() as i64),
        };
        let message = mail.as_ref().map(|sealer| {
            let (code, lifetime_seconds) = (code.reveal(), lifetime.as_secs());
            let message = MailMessage::Invitation { code, lifetime_seconds };
            let to = invitation.email.clone();
            sealer.mail(None, &Mail { to, language, username: String::new(), message })
        });
        let record = self.invitation_record(AuditEvent::InvitationCreated, now);
        let record = record.detail(describe(&invitation));
        let row = invitation.clone();
        let insert = move |connection: &mut _| {
            invitations::replace(connection, &row)?;
            if let Some(message) = &message {
                outbox::insert(connection, message)?;
            }
            Ok(((), Some(record)))
        };
        self.store.audited(insert).await?;
        Ok(Invited { invitation, code: mail.is_none().then_some(code) })
    }

    /// Returns up to `limit` invitations that are still valid, ordered by address, starting after
    /// the address `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn invitations(
        &self,
        after: Option<&Email>,
        limit: i64,
    ) -> Result<Vec<Invitation>, AdminError> {
        let after = after.map(|email| email.keys().folded);
        let now = self.clock.now_ms();
        let list =
            move |connection: &mut _| invitations::list(connection, after.as_deref(), now, limit);
        Ok(self.store.run(list).await?)
    }

    /// Revokes the invitation for an address.
    ///
    /// # Errors
    /// [`AdminError::NoInvitation`] or [`AdminError::Store`].
    pub async fn revoke_invitation(&self, email: &Email) -> Result<(), AdminError> {
        let record = self.invitation_record(AuditEvent::InvitationRevoked, self.clock.now_ms());
        let folded = email.keys().folded;
        let revoke = move |connection: &mut _| invitations::delete(connection, &folded);
        match self.store.audited_if(record.detail(email.as_str()), revoke).await? {
            true => Ok(()),
            false => Err(AdminError::NoInvitation(email.as_str().to_owned())),
        }
    }

    fn invitation_record(&self, event: AuditEvent, now_ms: i64) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), now_ms)
    }
}

impl Accounts {
    /// Returns the invitation of a code for this address. The registration spends it.
    ///
    /// # Errors
    /// [`RegistrationError::WrongInvitation`] or [`RegistrationError::Store`].
    pub(super) async fn check_invitation(
        &self,
        given: GivenInvitation,
        email: &Email,
        origin: &Origin,
    ) -> Result<Invitation, RegistrationError> {
        let code = given.unwrap_or_else(OneTimeCode::generate);
        let macs = self.codes.macs_for(&code, CodePurpose::Invitation, &email.keys().folded);
        let now = self.clock.now_ms();
        let find = move |connection: &mut _| invitations::find(connection, &macs, now);
        if let Some(invitation) = self.store.run(find).await? {
            return Ok(invitation);
        }
        let initiator = Initiator::unknown(origin.clone());
        let record = AuditRecord::new(AuditEvent::InvitationRefused, initiator, now);
        self.store.record_event(record).await;
        Err(RegistrationError::WrongInvitation)
    }
}

fn describe(invitation: &Invitation) -> String {
    let Invitation { email, scope, roles, mailed_at, .. } = invitation;
    let way = if mailed_at.is_some() { "mailed" } else { "printed" };
    format!("{email}; scopes: {scope}; roles: {roles}; {way}")
}
