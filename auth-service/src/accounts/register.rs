//! A visitor becomes a user.
//!
//! With EMAIL_VERIFICATION=required, a registration does not tell whether the address is taken: the
//! answer is the same, after the same work, and the user of the address gets a mail. The exception
//! is a registration with an invitation.

use uuid::Uuid;

use super::{
    Accounts,
    new_account::AccountToInsert,
    registration::{Registered, Registration, RegistrationError, Taken},
};
use crate::{
    domain::{
        account_rules::{self, EmailVerification},
        email::Email,
        name_rules::NameError,
        session::Origin,
        throttle::Settlement,
        username::Username,
    },
    store::{one_time_codes, reserved_names, users},
};

impl Accounts {
    /// Registers a user. A registration of taken names counts as a failure of the client's address,
    /// so that no client tries out long lists of names. If a registration does not tell whether the
    /// address is taken, each registration counts, because the counter must not tell it either.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn register(
        &self,
        registration: Registration,
        origin: Origin,
    ) -> Result<Registered, RegistrationError> {
        self.require_open_registration()?;
        let hides_addresses = self.rules.email_verification == EmailVerification::Required;
        let work = self.register_admitted(registration, origin.clone());
        let settle = |outcome: &Result<Registered, RegistrationError>| match outcome {
            Ok(_) if hides_addresses => Settlement::Failed,
            Ok(_) => Settlement::Succeeded,
            Err(RegistrationError::Taken(_) | RegistrationError::WrongInvitation) => {
                Settlement::Failed
            }
            Err(_) => Settlement::Cancelled,
        };
        self.settle_for_address(&origin, work, settle).await
    }

    async fn register_admitted(
        &self,
        registration: Registration,
        origin: Origin,
    ) -> Result<Registered, RegistrationError> {
        let Registration { email, username, password, language, invitation } = registration;
        let invitation = match invitation {
            Some(given) => Some(self.check_invitation(given, &email, &origin).await?),
            None if self.rules.registration == account_rules::Registration::Invite => {
                return Err(RegistrationError::WrongInvitation);
            }
            None => None,
        };
        // An operator invited this address, so the answer may state that it is taken.
        let hides_address =
            invitation.is_none() && self.rules.email_verification == EmailVerification::Required;
        let permit = self.passwords.queue(origin.address_prefix()).await?;
        // An early answer, because a hash is costly. The insert decides.
        self.refuse_unavailable(&username, &email, hides_address).await?;
        let password_hash = self.passwords.hash(permit, &password).await?;
        let account = AccountToInsert {
            id: Uuid::now_v7(),
            email: email.clone(),
            username: username.clone(),
            password_hash,
            language,
            invitation,
            hides_address,
        };
        let id = account.id;
        self.insert_account(account, origin).await?;
        Ok(Registered { id, email, username })
    }

    /// Checks that visitors may register.
    ///
    /// # Errors
    /// [`RegistrationError::Closed`].
    pub fn require_open_registration(&self) -> Result<(), RegistrationError> {
        match self.rules.registration {
            account_rules::Registration::Open | account_rules::Registration::Invite => Ok(()),
            account_rules::Registration::Closed => Err(RegistrationError::Closed),
        }
    }

    async fn refuse_unavailable(
        &self,
        username: &Username,
        email: &Email,
        hides_address: bool,
    ) -> Result<(), RegistrationError> {
        let username = username.clone();
        let email = email.clone();
        let now = self.clock.now_ms();
        let taken = move |connection: &mut _| {
            if reserved_names::is_reserved(connection, &username)? {
                return Ok(Err(NameError::Reserved));
            }
            let mut taken = users::taken(connection, &username, &email)?;
            taken.username |= users::is_kept_name(connection, &username, users::NO_USER)?;
            taken.email |=
                one_time_codes::is_kept_address(connection, &email, users::NO_USER, now)?;
            taken.email &= !hides_address;
            Ok(Ok(taken))
        };
        let taken = self.store.run(taken).await??;
        if taken == Taken::default() { Ok(()) } else { Err(RegistrationError::Taken(taken)) }
    }
}
