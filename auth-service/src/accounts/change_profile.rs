//! A user changes the username, or the language of mails.

use shared::claims::AccessClaims;

use super::{Accounts, Profile, ProfileError, RecentLoginError};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        language::Language,
        mail::MailMessage,
        name_rules::NameError,
        session::Origin,
        username::Username,
    },
    store::{
        StoreError,
        outbox::{self, NewMessage},
        reserved_names,
        users::{self, RenameOutcome, User},
    },
    throttle::Throttled,
};

/// Fields that a user changes. `None`: the field stays as it is.
#[derive(Clone, Debug)]
pub struct ProfileChange {
    pub username: Option<Username>,
    pub language: Option<Language>,
}

/// Error returned when a profile is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeProfileError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("another user has the username, or had it")]
    Taken,
    #[error("the user has changed the username too often")]
    TooOften,
    /// The user was deleted meanwhile.
    #[error("the user does not exist")]
    UnknownUser,
    /// A change of username needs a recent login.
    #[error(transparent)]
    RecentLogin(#[from] RecentLoginError),
    /// Too many attempts of the client address have failed.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Changes the profile of the user of `claims`, and returns it. A username that is taken counts
    /// as a failure of the client's address, so that no client tries out long lists of names. A
    /// change of username needs a recent login, and the user gets a mail about it.
    ///
    /// # Errors
    /// [`ChangeProfileError`]. Nothing has changed then.
    pub async fn change_profile(
        &self,
        claims: &AccessClaims,
        change: ProfileChange,
        origin: Origin,
    ) -> Result<Profile, ChangeProfileError> {
        let has_name = change.username.is_some();
        let work = self.try_change_profile(claims, change, &origin);
        if !has_name {
            return work.await;
        }
        let is_failure = |why: &ChangeProfileError| matches!(why, ChangeProfileError::Taken);
        self.count_for_address(&origin, work, is_failure).await
    }

    async fn try_change_profile(
        &self,
        claims: &AccessClaims,
        change: ProfileChange,
        origin: &Origin,
    ) -> Result<Profile, ChangeProfileError> {
        let ProfileChange { username, language } = change;
        let now = self.clock.now_ms();
        let event = AuditEvent::UsernameChanged;
        let record = AuditRecord::new(event, Initiator::user(origin.clone()), now);
        let record = record.user(&claims.sub).session(claims.sid);
        let id = claims.sub.clone();
        let rename = match username {
            Some(next) => self.check_rename(claims, next).await?,
            None => None,
        };
        let write = move |connection: &mut _| {
            let mut renamed = None;
            if let Some((next, mail)) = &rename {
                match users::rename(connection, &id, next, now)? {
                    RenameOutcome::Renamed { former } => {
                        outbox::insert(connection, mail)?;
                        renamed =
                            Some(record.detail(format!("from {former} to {}", next.as_str())));
                    }
                    RenameOutcome::Unchanged => {}
                    refused => return Ok((Err(refused), None)),
                }
            }
            if let Some(language) = language {
                users::set_language(connection, &id, language)?;
            }
            Ok((Ok(renamed.is_some()), renamed))
        };
        match self.store.audited(write).await? {
            Ok(is_renamed) if is_renamed => {
                self.outbox.wake();
                self.sessions.mark_claims_of(&claims.sub).await;
            }
            Ok(_) => {}
            Err(RenameOutcome::UnknownUser) => return Err(ChangeProfileError::UnknownUser),
            Err(RenameOutcome::TooOften) => return Err(ChangeProfileError::TooOften),
            Err(_) => return Err(ChangeProfileError::Taken),
        }
        self.profile(claims.sub.clone()).await.map_err(|why| match why {
            ProfileError::UnknownUser => ChangeProfileError::UnknownUser,
            ProfileError::Store(why) => why.into(),
        })
    }

    /// Checks a change of username, and returns it with the mail about it. `None` if the user has
    /// the name already, which may be older than the rules for names.
    async fn check_rename(
        &self,
        claims: &AccessClaims,
        next: Username,
    ) -> Result<Option<(Username, NewMessage)>, ChangeProfileError> {
        let (id, name) = (claims.sub.clone(), next.clone());
        let find = move |connection: &mut _| {
            let user = users::find(connection, &id)?;
            Ok((user, reserved_names::is_reserved(connection, &name)?))
        };
        let (user, is_reserved) = self.store.run(find).await?;
        let user = user.ok_or(ChangeProfileError::UnknownUser)?;
        if user.username == next.as_str() {
            return Ok(None);
        }
        self.rules.names.check(&next)?;
        if is_reserved {
            return Err(NameError::Reserved.into());
        }
        self.require_recent_login(claims).await?;
        let message = MailMessage::UsernameChanged { former: user.username.clone() };
        let renamed = User { username: next.as_str().to_owned(), ..user };
        Ok(Some((next, self.notices().message(renamed, message).await?)))
    }
}
