//! An operator reads and changes users: at the command line, or as an administrator over HTTP.

use std::sync::Arc;

use shared::{claims::SessionId, clock::Clock};
use uuid::Uuid;

pub use crate::store::users::{User, UserFilter};
use crate::{
    credentials::HashPoolBusy,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        login_key::LoginKey,
        name_rules::NameError,
        session::EndCause,
    },
    jobs::outbox::Outbox,
    sessions::{EndOfAll, Sessions},
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
    #[error("the user has changed meanwhile")]
    Changed,
    #[error("{0}")]
    OwnAccount(&'static str),
    #[error("the user has no session with this id")]
    UnknownSession,
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Use cases of an operator who administers users.
pub struct UserAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
    /// `None` at the command line: the replicas read what changed from the database, within a
    /// second.
    pub replica: Option<Replica>,
}

/// Services of the replica in which an administrator acts.
#[derive(Clone)]
pub struct Replica {
    pub sessions: Arc<Sessions>,
    pub outbox: Arc<Outbox>,
    /// Whether codes for new passwords are mailed to the user. Otherwise the administrator gets
    /// them.
    pub mails_codes: bool,
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

    /// Returns the user with this id.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn find_id(&self, id: Uuid) -> Result<User, AdminError> {
        let key = id.to_string();
        let found = self.store.run(move |connection| users::find(connection, &key)).await?;
        found.ok_or_else(|| AdminError::UnknownUser(id.to_string()))
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

    /// Resets the counters of a user's failed logins.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn unlock(&self, name: &str) -> Result<User, AdminError> {
        let user = self.find(name).await?;
        self.unlock_user(&user).await
    }

    /// As [`UserAdmin::unlock`], of a user as [`UserAdmin::find`] returned it.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn unlock_user(&self, user: &User) -> Result<User, AdminError> {
        let record = self.record(AuditEvent::UserUnlocked, self.clock.now_ms(), user);
        let id = user.id.to_string();
        let unlock = move |connection: &mut _| users::unlock(connection, &id);
        self.store.audited_if(record, unlock).await?;
        self.find_again(user).await
    }

    /// Deletes a user, as [`UserAdmin::find`] returned it, and ends all sessions.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn delete(&self, user: &User) -> Result<(), AdminError> {
        self.delete_unless_changed(user, None).await
    }

    /// As [`UserAdmin::delete`], unless the user's revision is another than `expected`.
    ///
    /// # Errors
    /// [`AdminError::Changed`], [`AdminError::OwnAccount`], [`AdminError::UnknownUser`] if the user
    /// is deleted already, or [`AdminError::Store`].
    pub async fn delete_unless_changed(
        &self,
        user: &User,
        expected: Option<i64>,
    ) -> Result<(), AdminError> {
        if self.initiator.is_admin_with_id(user.id) {
            return Err(AdminError::OwnAccount(
                "An administrator cannot delete their own account here. DELETE /me does.",
            ));
        }
        require_revision(user, expected)?;
        let cause = EndCause::UserDeleted;
        self.end_surplus(user, cause).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(cause), now, user);
        let read = user.clone();
        let delete = move |connection: &mut _| {
            let id = read.id.to_string();
            let Some(present) = users::find_locked(connection, &id)? else {
                return Ok((Err(AdminError::UnknownUser(read.username)), None));
            };
            if let Err(why) = require_revision(&present, expected) {
                return Ok((Err(why), None));
            }
            let ended = users::delete(connection, &id, now)?;
            let record = record.ended_sessions(&ended);
            Ok((Ok(ended), Some(record)))
        };
        let ended = self.store.audited(delete).await??;
        self.publish(cause, ended).await;
        Ok(())
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
        let ended = self.end_all_sessions(&user).await?;
        Ok((user, ended))
    }

    /// Ends all sessions of a user. Returns the number of sessions.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn end_all_sessions(&self, user: &User) -> Result<usize, AdminError> {
        let cause = EndCause::LogoutEverywhere;
        self.end_surplus(user, cause).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(cause), now, user);
        let id = user.id.to_string();
        let end = move |connection: &mut _| {
            let ended = sessions::end_all(connection, &id, None, cause, now)?;
            let record = (!ended.is_empty()).then(|| record.ended_sessions(&ended));
            Ok((ended, record))
        };
        let ended = self.store.audited(end).await?;
        let count = ended.len();
        self.publish(cause, ended).await;
        Ok(count)
    }

    /// Ends one session of a user. Returns whether it was live until now.
    ///
    /// # Errors
    /// [`AdminError::UnknownSession`] or [`AdminError::Store`].
    pub async fn end_session(&self, user: &User, sid: SessionId) -> Result<bool, AdminError> {
        let cause = EndCause::EndedByAdmin;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(cause), now, user).session(sid);
        let id = user.id.to_string();
        let end = move |connection: &mut _| {
            let ended = sessions::end_of_user(connection, &id, sid, cause, now)?;
            Ok((ended, ended.filter(|ended| ended.is_new).map(|_| record)))
        };
        let ended = self.store.audited(end).await?.ok_or(AdminError::UnknownSession)?;
        if ended.is_new {
            self.publish(cause, vec![(sid, ended.until_ms)]).await;
        }
        Ok(ended.is_new)
    }

    /// Publishes the ends of sessions, which the database has, each with its latest possible end.
    pub(super) async fn publish(&self, cause: EndCause, ended: Vec<(SessionId, i64)>) {
        if let Some(Replica { sessions, .. }) = &self.replica {
            sessions.publish_ends(cause, ended).await;
        }
    }

    pub(super) fn record(&self, event: AuditEvent, now_ms: i64, user: &User) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), now_ms).user(user.id)
    }
}

/// Checks that a user's revision is the one that a caller expects, if it expects one.
pub(super) fn require_revision(user: &User, expected: Option<i64>) -> Result<(), AdminError> {
    match expected {
        Some(revision) if revision != user.revision => Err(AdminError::Changed),
        _ => Ok(()),
    }
}
