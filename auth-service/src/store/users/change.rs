//! Changes of users that end sessions.

use diesel::prelude::*;
use shared::claims::SessionId;

use crate::{
    credentials::PasswordHash,
    domain::session::EndCause,
    store::{
        AnyConnection, credentials, schema::users, sessions, transaction::in_transaction,
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
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Replaces a password and ends the user's other sessions. Returns the sessions that end, as
/// [`sessions::end_all`] does. Returns `None` if the user has changed since the old password was
/// verified.
pub fn change_password(
    connection: &mut AnyConnection,
    change: &PasswordChange,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    let PasswordChange { user_id, revision, credential_id, new_hash, keep, at_ms } = change;
    in_transaction(connection, |connection| {
        if !advance_revision(connection, user_id, *revision)? {
            return Ok(None);
        }
        credentials::set_data(connection, credential_id, new_hash)?;
        let cause = EndCause::PasswordChange;
        sessions::end_all(connection, user_id, *keep, cause, *at_ms).map(Some)
    })
}

/// Advances a user's revision, unless the user has changed since `revision` was read. Returns
/// whether it did.
fn advance_revision(connection: &mut AnyConnection, id: &str, revision: i64) -> QueryResult<bool> {
    diesel::update(users::table.find(id).filter(users::revision.eq(revision)))
        .set(users::revision.eq(users::revision + 1))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Disables a user, which ends all sessions, or enables a user. Returns the sessions that end, as
/// [`sessions::end_all`] does.
pub fn set_disabled(
    connection: &mut AnyConnection,
    id: &str,
    disabled: bool,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        let since = disabled.then_some(now_ms);
        diesel::update(users::table.find(id))
            .set((users::disabled_at.eq(since), users::revision.eq(users::revision + 1)))
            .execute(connection)?;
        if !disabled {
            return Ok(Vec::new());
        }
        sessions::end_all(connection, id, None, EndCause::UserDisabled, now_ms)
    })
}

/// Deletes a user and ends the user's sessions, whose rows are kept as long as their tokens live.
/// Returns the sessions that end, as [`sessions::end_all`] does.
pub fn delete(
    connection: &mut AnyConnection,
    id: &str,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        // While the lock is held, no session of the user can begin.
        lock_user(connection, id)?;
        let ended = sessions::end_all(connection, id, None, EndCause::UserDeleted, now_ms)?;
        sessions::remove_user(connection, id)?;
        diesel::delete(users::table.find(id)).execute(connection)?;
        Ok(ended)
    })
}
