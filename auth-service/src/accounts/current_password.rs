//! A logged-in user proves the current password again.

use shared::claims::AccessClaims;

use super::Accounts;
use crate::{
    credentials::{HashPoolBusy, Verification},
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        password::Password,
        session::Origin,
        throttle::Settlement,
    },
    store::{
        StoreError, credentials,
        users::{self, User, UserKey, UserWithPassword},
    },
    throttle::{Account, Admission, Attempt, Throttled},
};

/// Error returned when a user does not prove the current password.
#[derive(Debug, thiserror::Error)]
pub enum CurrentPasswordError {
    #[error("the current password is wrong")]
    WrongPassword,
    /// Too many current passwords were wrong, or are being verified.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The user was deleted meanwhile.
    #[error("the user does not exist")]
    UnknownUser,
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Verifies the current password of the user of `claims`. Returns the user as of the
    /// verification. `action` names the action in the audit trail.
    ///
    /// # Errors
    /// [`CurrentPasswordError`].
    pub(super) async fn verify_current_password(
        &self,
        claims: &AccessClaims,
        password: &Password,
        action: &'static str,
        origin: &Origin,
    ) -> Result<User, CurrentPasswordError> {
        let verified = self.try_current_password(claims, password, origin).await;
        match &verified {
            // The queue permit is free by now, so the delay holds up no other request.
            Err(CurrentPasswordError::Throttled(_)) => self.throttle.delay_refusal().await,
            Err(CurrentPasswordError::WrongPassword) => {
                let event = AuditEvent::ReauthenticationFailed;
                let initiator = Initiator::user(origin.clone());
                let record = AuditRecord::new(event, initiator, self.clock.now_ms());
                let record = record.user(&claims.sub).session(claims.sid).detail(action);
                self.store.record_event(record).await;
            }
            _ => {}
        }
        verified
    }

    async fn try_current_password(
        &self,
        claims: &AccessClaims,
        password: &Password,
        origin: &Origin,
    ) -> Result<User, CurrentPasswordError> {
        let permit = self.passwords.queue(origin.address_prefix()).await?;
        let key = UserKey::Id(claims.sub.clone());
        let find = move |connection: &mut _| users::find_with_password(connection, &key);
        let Some(found) = self.store.run(find).await? else {
            return Err(CurrentPasswordError::UnknownUser);
        };
        let UserWithPassword { user, password: stored, .. } = found;
        let admission = self.admit_current(claims, &user, origin).await?;
        let hash = stored.as_ref().map(|stored| &stored.hash);
        let name = claims.sub.as_bytes();
        let verified = self.passwords.verify(permit, hash, name, password.clone()).await;
        let settlement = match &verified {
            Ok(Verification::Wrong) => Settlement::Failed,
            Ok(_) => Settlement::Succeeded,
            Err(HashPoolBusy) => Settlement::Cancelled,
        };
        self.throttle.settle(admission, settlement).await;
        match (verified?, stored) {
            (Verification::Wrong, _) => return Err(CurrentPasswordError::WrongPassword),
            (Verification::RightWithNewHash(new), Some(old)) => {
                let id = user.id.to_string();
                let rehash =
                    move |connection: &mut _| credentials::rehash(connection, &id, &old, &new);
                self.store.run(rehash).await?;
            }
            _ => {}
        }
        Ok(user)
    }

    /// Counts the attempt in the lane of the session: a thief with an access token must neither
    /// guess the password nor lock the user out.
    pub(super) async fn admit_current(
        &self,
        claims: &AccessClaims,
        user: &User,
        origin: &Origin,
    ) -> Result<Admission, Throttled> {
        let attempt = Attempt {
            account: Account::User { id: &claims.sub, revision: user.revision },
            name: b"current password",
            device: Some(claims.sid),
            address: origin.address_prefix(),
        };
        self.admit(&attempt, Some(&claims.sub), origin).await
    }
}
