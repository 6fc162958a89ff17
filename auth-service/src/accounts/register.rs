//! A visitor becomes a user.

use uuid::Uuid;

use super::Accounts;
use crate::{
    credentials::HashPoolBusy,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        password::Password,
        session::Origin,
        username::Username,
    },
    store::{
        StoreError,
        users::{self, InsertOutcome, NewUser, Taken},
    },
};

/// What a visitor registers with.
#[derive(Clone, Debug)]
pub struct Registration {
    pub email: Email,
    pub username: Username,
    pub password: Password,
}

/// A user who has just been registered.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: Uuid,
    pub email: Email,
    pub username: Username,
}

/// Error returned when a registration is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    #[error("another user has the username or the email address")]
    Taken(Taken),
    /// The names were taken when the user was inserted, and free again a moment later.
    #[error("the names changed hands during the registration")]
    Contended,
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Registers a user.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn register(
        &self,
        registration: Registration,
        origin: Origin,
    ) -> Result<Registered, RegistrationError> {
        let Registration { email, username, password } = registration;
        let permit = self.passwords.queue().await?;
        // Asked before the hash, which is the costly part. The insert decides.
        self.refuse_taken(&username, &email).await?;
        let password_hash = self.passwords.hash(permit, &password).await?;
        let id = Uuid::now_v7();
        let created_at_ms = self.clock.now_ms();
        let new =
            NewUser { id, username: username.clone(), email: email.clone(), password_hash, created_at_ms };
        let initiator = Initiator::user(origin);
        let record = AuditRecord::new(AuditEvent::Registration, initiator, created_at_ms).user(id);
        let insert = move |connection: &mut _| {
            let outcome = users::insert(connection, &new)?;
            Ok((outcome, (outcome == InsertOutcome::Inserted).then_some(record)))
        };
        match self.store.audited(insert).await? {
            InsertOutcome::Inserted => Ok(Registered { id, email, username }),
            InsertOutcome::Taken(taken) if taken == Taken::default() => Err(RegistrationError::Contended),
            InsertOutcome::Taken(taken) => Err(RegistrationError::Taken(taken)),
        }
    }

    async fn refuse_taken(&self, username: &Username, email: &Email) -> Result<(), RegistrationError> {
        let username = username.clone();
        let email = email.clone();
        let taken = self.store.run(move |connection| users::taken(connection, &username, &email)).await?;
        if taken == Taken::default() { Ok(()) } else { Err(RegistrationError::Taken(taken)) }
    }
}
