//! A user replaces the password.

use shared::claims::{AccessClaims, Audience};

use super::Accounts;
use crate::{
    credentials::HashPoolBusy,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        password::Password,
        session::Origin,
        throttle::Settlement,
    },
    sessions::{KeptSession, PasswordChanged},
    store::{
        StoreError,
        users::{self, PasswordChange, User, UserKey, UserWithPassword},
    },
    throttle::Throttled,
    tokens::{Credential, Grant, Minter, NoSigningKey, Session, SessionTokens},
};

/// A request to replace a user's password.
#[derive(Debug)]
pub struct PasswordChangeRequest {
    pub current: Password,
    pub next: Password,
    /// Whether the session of the request stays alive. All other sessions end.
    pub keep_session: bool,
}

/// Error returned when a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the current password is wrong")]
    WrongPassword,
    /// Too many current passwords were wrong, or are being verified.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error("the password is made of words of the username or the email address")]
    MadeOfNames,
    /// The user was deleted meanwhile.
    #[error("the user does not exist")]
    UnknownUser,
    /// The user changed during each attempt.
    #[error("the user changed during the change of password")]
    Contended,
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Maximum number of attempts if the user changes during each.
const MAX_ATTEMPTS: usize = 4;

impl Accounts {
    /// Replaces the password of the user of `claims`, and ends the user's sessions. The session of
    /// `claims` stays alive if the request asks for it, and gets new tokens, which are returned:
    /// an access token, and a credential of the kind that the client keeps.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        claims: &AccessClaims,
        request: PasswordChangeRequest,
        credential: Credential,
        origin: Origin,
    ) -> Result<Option<SessionTokens>, ChangePasswordError> {
        // Checked first: without a key there would be no tokens for the session that stays alive.
        let minter = self.tokens.minter()?;
        for _ in 0..MAX_ATTEMPTS {
            let (user, outcome) = match self.attempt_change(claims, &request, &origin).await {
                Ok(attempt) => attempt,
                Err(why @ ChangePasswordError::Throttled(_)) => {
                    self.throttle.delay_refusal().await;
                    return Err(why);
                }
                Err(why) => return Err(why),
            };
            match outcome {
                PasswordChanged::UserChanged => {}
                PasswordChanged::AllEnded => return Ok(None),
                PasswordChanged::Kept(kept) => {
                    return Ok(Some(self.tokens_of_kept(&minter, claims, &user, kept, credential)));
                }
            }
        }
        Err(ChangePasswordError::Contended)
    }

    /// Returns the user, and the outcome of the change.
    async fn attempt_change(
        &self,
        claims: &AccessClaims,
        request: &PasswordChangeRequest,
        origin: &Origin,
    ) -> Result<(User, PasswordChanged), ChangePasswordError> {
        let permit = self.passwords.queue(origin.address_prefix()).await?;
        let key = UserKey::Id(claims.sub.clone());
        let found =
            self.store.run(move |connection| users::find_with_password(connection, &key)).await?;
        let Some(UserWithPassword { user, password, .. }) = found else {
            return Err(ChangePasswordError::UnknownUser);
        };
        if request.next.is_made_of_names(&self.rules.passwords, &user.username, &user.email) {
            return Err(ChangePasswordError::MadeOfNames);
        }
        let Some(stored) = password else { return Err(ChangePasswordError::WrongPassword) };
        let next = request.next.clone();
        let admission = self.admit_current(claims, &user, origin).await?;
        let replaced = self.passwords.replace(permit, &stored.hash, &request.current, next).await;
        let settlement = match &replaced {
            Ok(Some(_)) => Settlement::Succeeded,
            Ok(None) => Settlement::Failed,
            Err(HashPoolBusy) => Settlement::Cancelled,
        };
        self.throttle.settle(admission, settlement).await;
        let Some(new_hash) = replaced? else {
            self.record_wrong_password(claims, origin).await;
            return Err(ChangePasswordError::WrongPassword);
        };
        let change = PasswordChange {
            user_id: claims.sub.clone(),
            revision: user.revision,
            credential_id: stored.id,
            new_hash,
            keep: request.keep_session.then_some(claims.sid),
            notice: Some(self.password_notice(&user).await?),
            at_ms: self.clock.now_ms(),
        };
        let initiator = Initiator::user(origin.clone());
        let outcome = self.sessions.change_password(change, initiator).await?;
        self.outbox.wake();
        Ok((user, outcome))
    }

    /// Mints the new tokens of the session that stays alive.
    fn tokens_of_kept(
        &self,
        minter: &Minter<'_>,
        claims: &AccessClaims,
        user: &User,
        kept: KeptSession,
        credential: Credential,
    ) -> SessionTokens {
        let KeptSession { generation, auth_time, ends_at } = kept;
        // No wider than the access token of the request.
        let audience = claims.aud.clone();
        let is_for_all = self.tokens.user_audience(&[], &[]).as_ref() == Ok(&audience);
        let audiences = match &audience {
            _ if is_for_all => Vec::new(),
            Audience::One(name) => vec![name.clone()],
            Audience::Many(names) => names.clone(),
        };
        let user = user.claims();
        let session = Session { sid: claims.sid, user, audiences, auth_time, ends_at };
        let expiry = self.tokens.refresh_expiry(&session);
        let grant = Grant { scope: session.user.scope.clone(), audience };
        minter.tokens(&session, grant, generation, expiry, credential)
    }

    async fn record_wrong_password(&self, claims: &AccessClaims, origin: &Origin) {
        let event = AuditEvent::PasswordChangeFailed;
        let record = AuditRecord::new(event, Initiator::user(origin.clone()), self.clock.now_ms());
        self.store
            .record_event(record.user(&claims.sub).session(claims.sid).detail("wrong password"))
            .await;
    }
}
