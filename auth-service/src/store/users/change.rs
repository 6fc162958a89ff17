//! Changes of users that end sessions.

use diesel::prelude::*;
use shared::claims::SessionId;

use super::deleted;
use crate::{
    credentials::PasswordHash,
    domain::session::EndCause,
    store::{
        AnyConnection, credentials, one_time_codes,
        outbox::{self, NewMessage},
        schema::users,
        sessions::{self, Progress},
        transaction::in_transaction,
        user_lock::lock_user,
    },
};

/// A change of password.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    pub user_id: String,
    /// Revision of the user when the old password was verified.
    pub revision: i64,
    pub credential_id: String,
    pub new_hash: PasswordHash,
    /// Session that stays alive.
    pub keep: Option<SessionId>,
    /// Mail that tells the user of the change.
    pub notice: Option<NewMessage>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// The sessions of a user whose password has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfterPasswordChange {
    /// The sessions that end, as [`sessions::end_all`] returns them.
    pub ended: Vec<(SessionId, i64)>,
    /// The session that stays alive and the time of its login, as [`sessions::void`] returns them.
    pub kept: Option<(Progress, i64)>,
}

/// Replaces a password, ends the user's other sessions, and voids the tokens of the session to keep.
/// Returns `None` if the user has changed since the old password was verified.
pub fn change_password(
    connection: &mut AnyConnection,
    change: &PasswordChange,
) -> QueryResult<Option<AfterPasswordChange>> {
    let PasswordChange { user_id, revision, credential_id, new_hash, keep, notice, at_ms } = change;
    in_transaction(connection, |connection| {
        if !advance_revision(connection, user_id, *revision)? {
            return Ok(None);
        }
        credentials::set_data(connection, credential_id, new_hash)?;
        if let Some(notice) = notice {
            outbox::insert(connection, notice)?;
        }
        let cause = EndCause::PasswordChange;
        let ended = sessions::end_all(connection, user_id, *keep, cause, *at_ms)?;
        let kept = match keep {
            Some(sid) => sessions::void(connection, *sid, *at_ms)?,
            None => None,
        };
        Ok(Some(AfterPasswordChange { ended, kept }))
    })
}

/// Advances a user's revision, unless the user has changed since `revision` was read. Returns
/// whether it did.
pub(super) fn advance_revision(
    connection: &mut AnyConnection,
    id: &str,
    revision: i64,
) -> QueryResult<bool> {
    diesel::update(users::table.find(id).filter(users::revision.eq(revision)))
        .set(users::revision.eq(users::revision + 1))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Advances a user's revision, whatever it is. Returns whether the user exists.
pub(super) fn advance_present_revision(
    connection: &mut AnyConnection,
    id: &str,
) -> QueryResult<bool> {
    diesel::update(users::table.find(id))
        .set(users::revision.eq(users::revision + 1))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Advances a user's revision, which resets the counters of failed logins.
pub fn unlock(connection: &mut AnyConnection, id: &str) -> QueryResult<bool> {
    let exists = advance_present_revision(connection, id)?;
    if exists {
        one_time_codes::carry_over(connection, id)?;
    }
    Ok(exists)
}

/// Disables a user, which ends all sessions, or enables a user. Returns the sessions that end, as
/// [`sessions::end_all`] does. Returns `None` if the user is disabled, or enabled, already.
pub fn set_disabled(
    connection: &mut AnyConnection,
    id: &str,
    disabled: bool,
    now_ms: i64,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    in_transaction(connection, |connection| {
        let since = disabled.then_some(now_ms);
        let set = (users::disabled_at.eq(since), users::revision.eq(users::revision + 1));
        let user = users::table.find(id);
        let changed = match disabled {
            true => {
                let enabled = user.filter(users::disabled_at.is_null());
                diesel::update(enabled).set(set).execute(connection)?
            }
            false => {
                let disabled = user.filter(users::disabled_at.is_not_null());
                diesel::update(disabled).set(set).execute(connection)?
            }
        };
        match (changed, disabled) {
            (0, _) => Ok(None),
            (_, false) => {
                // A code that was issued while the user was disabled stays valid.
                one_time_codes::carry_over(connection, id)?;
                Ok(Some(Vec::new()))
            }
            _ => sessions::end_all(connection, id, None, EndCause::UserDisabled, now_ms).map(Some),
        }
    })
}

/// Deletes a user and the messages that could not be sent to the user. Ends the user's sessions,
/// whose rows are kept as long as their tokens live. No new user gets the name until
/// [`super::free_names`] frees it. Returns the sessions that end, as [`sessions::end_all`] does.
pub fn delete(
    connection: &mut AnyConnection,
    id: &str,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        // While the lock is held, no session of the user can begin.
        lock_user(connection, id)?;
        deleted::keep_name(connection, id, now_ms)?;
        delete_rows(connection, id, now_ms)
    })
}

/// As [`delete`], for a user who never verified the address and never logged in. The name is free at
/// once: no event tells of anything that the user did.
pub(super) fn delete_unverified(
    connection: &mut AnyConnection,
    id: &str,
    now_ms: i64,
) -> QueryResult<()> {
    in_transaction(connection, |connection| {
        lock_user(connection, id)?;
        delete_rows(connection, id, now_ms).map(drop)
    })
}

fn delete_rows(
    connection: &mut AnyConnection,
    id: &str,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    let ended = sessions::end_all(connection, id, None, EndCause::UserDeleted, now_ms)?;
    sessions::remove_user(connection, id)?;
    outbox::delete_given_up_of(connection, id)?;
    diesel::delete(users::table.find(id)).execute(connection)?;
    Ok(ended)
}
