//! An operator reads and changes users.

use shared::clock::Clock;
use uuid::Uuid;

use super::OneTimeCodes;
pub use crate::store::users::{User, UserFilter};
use crate::{
    credentials::HashPoolBusy,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        login_key::LoginKey,
        name_rules::NameError,
        one_time_code::{CodePurpose, OneTimeCode},
        session::EndCause,
    },
    sessions::EndOfAll,
    store::{Store, StoreError, sessions, users},
};

/// Maximum size of a user's scopes and roles together. Every token contains them, and the size of a
/// token is limited.
pub(super) const MAX_CLAIMS_BYTES: usize = 2000;

/// Error returned when a user cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the user {0} does not exist")]
    UnknownUser(String),
    #[error(
        "{0} is the username of one user and the id of another: name the user by email address"
    )]
    Ambiguous(String),
    #[error("the scopes and roles of {0} would be longer than {max} bytes", max = MAX_CLAIMS_BYTES)]
    TooManyClaims(String),
    #[error("name at least one scope or role: --scope NAME, --role NAME")]
    NothingToChange,
    #[error("{0} Add --allow-reserved to create the user all the same")]
    Name(NameError),
    #[error(
        "another user had this name, and the audit trail still has events of that user. Add \
         --allow-reserved to create the user all the same"
    )]
    NameOfDeleted,
    #[error("another user has this {0}")]
    Taken(&'static str),
    #[error(
        "the address is kept for a user who had it: that user can still undo a change of the address \
         (EMAIL_UNDO_LIFETIME)"
    )]
    KeptAddress,
    #[error("the password is too similar to the username, the email or the name of the service")]
    PasswordOfNames,
    #[error("there is no invitation for {0}")]
    NoInvitation(String),
    #[error("the client {0} does not exist")]
    UnknownClient(String),
    #[error("there is no event {name}. The events are {known}")]
    UnknownEvent { name: String, known: String },
    #[error("several users had this name. Name one by its id: {0}")]
    SeveralDeleted(String),
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Outcome of disabling or enabling a user.
#[derive(Clone, Debug)]
pub struct DisableOutcome {
    pub user: User,
    /// `false` if the user was disabled, or enabled, already.
    pub is_changed: bool,
}

/// Use cases of an operator who administers users.
pub struct UserAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
}

impl UserAdmin {
    /// Returns the user with this username, email address or id.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`], [`AdminError::Ambiguous`] or [`AdminError::Store`].
    pub async fn find(&self, name: &str) -> Result<User, AdminError> {
        let unknown = || AdminError::UnknownUser(name.to_owned());
        let key = LoginKey::parse(name).ok_or_else(unknown)?;
        let id = name.parse::<Uuid>().ok();
        let find = move |connection: &mut _| {
            let by_name = users::find_by_login(connection, &key)?;
            let by_id = match id {
                Some(id) => users::find(connection, &id.to_string())?,
                None => None,
            };
            Ok((by_name, by_id))
        };
        match self.store.run(find).await? {
            (Some(by_name), Some(by_id)) if by_name.id != by_id.id => {
                Err(AdminError::Ambiguous(name.to_owned()))
            }
            (by_name, by_id) => by_name.or(by_id).ok_or_else(unknown),
        }
    }

    /// Returns a user again, after a change.
    pub(super) async fn find_again(&self, user: &User) -> Result<User, AdminError> {
        let id = user.id.to_string();
        let found = self.store.run(move |connection| users::find(connection, &id)).await?;
        found.ok_or_else(|| AdminError::UnknownUser(user.username.clone()))
    }

    /// Returns up to `limit` users who meet the filter, ordered by id, starting after the id
    /// `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(
        &self,
        filter: UserFilter,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<User>, AdminError> {
        let after = after.map(|id| id.to_string());
        let list =
            move |connection: &mut _| users::list(connection, &filter, after.as_deref(), limit);
        Ok(self.store.run(list).await?)
    }

    /// Disables a user, which ends all sessions, or enables one.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn set_disabled(
        &self,
        name: &str,
        disabled: bool,
    ) -> Result<DisableOutcome, AdminError> {
        let user = self.find(name).await?;
        let now = self.clock.now_ms();
        let event = match disabled {
            true => AuditEvent::Ended(EndCause::UserDisabled),
            false => AuditEvent::UserEnabled,
        };
        let record = self.record(event, now, &user);
        if disabled {
            self.end_surplus(&user, EndCause::UserDisabled).await?;
        }
        let id = user.id.to_string();
        let set = move |connection: &mut _| {
            let Some(ended) = users::set_disabled(connection, &id, disabled, now)? else {
                return Ok((false, None));
            };
            let record = if disabled { record.ended_sessions(&ended) } else { record };
            Ok((true, Some(record)))
        };
        let is_changed = self.store.audited(set).await?;
        Ok(DisableOutcome { user: self.find_again(&user).await?, is_changed })
    }

    /// Resets the counters of a user's failed logins.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn unlock(&self, name: &str) -> Result<User, AdminError> {
        let user = self.find(name).await?;
        let record = self.record(AuditEvent::UserUnlocked, self.clock.now_ms(), &user);
        let id = user.id.to_string();
        let unlock = move |connection: &mut _| users::unlock(connection, &id);
        self.store.audited_if(record, unlock).await?;
        self.find_again(&user).await
    }

    /// Deletes a user, as [`UserAdmin::find`] returned it, and ends all sessions.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn delete(&self, user: &User) -> Result<(), AdminError> {
        self.end_surplus(user, EndCause::UserDeleted).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(EndCause::UserDeleted), now, user);
        let id = user.id.to_string();
        let delete = move |connection: &mut _| {
            let ended = users::delete(connection, &id, now)?;
            Ok(((), Some(record.ended_sessions(&ended))))
        };
        Ok(self.store.audited(delete).await?)
    }

    /// Ends the sessions that are too many for the transaction that follows. Replicas read their
    /// ends from the database.
    pub(super) async fn end_surplus(&self, user: &User, cause: EndCause) -> Result<(), StoreError> {
        let initiator = self.initiator.clone();
        let all = EndOfAll { user_id: user.id.to_string(), keep: None, cause, initiator };
        all.end_surplus(&self.store, &self.clock, &mut Vec::new()).await
    }

    /// Ends all sessions of a user. Returns the user and the number of sessions.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn log_out(&self, name: &str) -> Result<(User, usize), AdminError> {
        let user = self.find(name).await?;
        let cause = EndCause::LogoutEverywhere;
        self.end_surplus(&user, cause).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(cause), now, &user);
        let id = user.id.to_string();
        let end = move |connection: &mut _| {
            let ended = sessions::end_all(connection, &id, None, cause, now)?;
            let record = (!ended.is_empty()).then(|| record.ended_sessions(&ended));
            Ok((ended.len(), record))
        };
        let ended = self.store.audited(end).await?;
        Ok((user, ended))
    }

    /// Voids a user's password and ends all sessions. Returns the user, the number of sessions, and
    /// the code with which the user sets a new password.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn reset_password(
        &self,
        name: &str,
        codes: &OneTimeCodes,
    ) -> Result<(User, usize, OneTimeCode), AdminError> {
        let user = self.find(name).await?;
        self.end_surplus(&user, EndCause::PasswordReset).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(EndCause::PasswordReset), now, &user);
        let (code, row) = codes.issue(CodePurpose::PrintedReset, &user, now);
        let void = move |connection: &mut _| {
            let ended = users::void_password(connection, &row)?;
            let record = ended.as_ref().map(|ended| record.ended_sessions(ended));
            Ok((ended.map(|ended| ended.len()), record))
        };
        match self.store.audited(void).await? {
            Some(ended) => Ok((user, ended, code)),
            None => Err(AdminError::UnknownUser(name.to_owned())),
        }
    }

    pub(super) fn record(&self, event: AuditEvent, now_ms: i64, user: &User) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), now_ms).user(user.id)
    }
}
