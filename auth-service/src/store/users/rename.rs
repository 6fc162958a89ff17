//! Changes of the username, and the former_usernames table: names that no other user gets while the
//! audit trail has events of their former owner.

use diesel::{dsl::exists, prelude::*, result::Error as DieselError};
use uuid::Uuid;

use super::{claims::next_change_time, deleted::is_name_of_deleted, lookup::is_username_taken};
use crate::{
    domain::{
        fold::{NameKeys, fold},
        username::Username,
    },
    store::{
        AnyConnection,
        schema::{former_usernames, users},
        transaction::{in_transaction, insert_unless_exists},
        user_lock::lock_user,
    },
};

/// Maximum number of former names that are kept for one user, so that no user takes many names. A
/// user who returns to a former name has one fewer.
const MAX_FORMER: i64 = 10;

/// Outcome of a change of username.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameOutcome {
    Renamed {
        /// The name that the user had before.
        former: String,
    },
    /// The user has the name already, in this spelling.
    Unchanged,
    /// Another user has the name, or had it.
    Taken,
    /// The user has changed the name too often.
    TooOften,
    UnknownUser,
}

/// A name that a user had.
#[derive(Clone, Debug, Queryable)]
pub struct FormerUsername {
    pub username: String,
    /// Milliseconds since the Unix epoch.
    pub changed_at_ms: i64,
}

/// Changes a username and keeps the former one. A former name to which the user returns is no longer
/// kept as a former one. The revision of the user stays the same: it names the counters of wrong
/// passwords, and a caller who does not know the password must not reset them.
pub fn rename(
    connection: &mut AnyConnection,
    user_id: &str,
    next: &Username,
    now_ms: i64,
) -> QueryResult<RenameOutcome> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        let columns = (users::username, users::username_key);
        let row = users::table.find(user_id).select(columns).first::<(String, String)>(connection);
        let Some((former, former_key)) = row.optional()? else {
            return Ok(RenameOutcome::UnknownUser);
        };
        if former == next.as_str() {
            return Ok(RenameOutcome::Unchanged);
        }
        let keys = next.keys();
        let is_other_name = fold(&former) != keys.folded;
        let is_return = has_former_name(connection, user_id, &keys)?;
        if is_other_name && !is_return && is_renamed_often(connection, user_id)? {
            return Ok(RenameOutcome::TooOften);
        }
        let changed_at = next_change_time(connection, user_id, now_ms)?;
        let is_renamed = insert_unless_exists(connection, |connection| {
            let changed = diesel::update(users::table.find(user_id))
                .set((
                    users::username.eq(next.as_str()),
                    users::username_key.eq(&keys.key),
                    users::folded_username.eq(&keys.folded),
                    // Tokens contain the username.
                    users::claims_changed_at.eq(changed_at),
                    users::claims_marked_at.eq(None::<i64>),
                ))
                .execute(connection)?;
            // Read after the update, because the update waits for a change that gives the name up.
            if is_username_taken(connection, &keys, user_id)?
                || is_kept_name(connection, next, user_id)?
            {
                return Err(DieselError::RollbackTransaction);
            }
            Ok(changed)
        })?;
        if !is_renamed {
            return Ok(RenameOutcome::Taken);
        }
        forget_former(connection, user_id, &keys)?;
        if is_other_name {
            keep_former(connection, user_id, &former, &former_key, now_ms)?;
        }
        Ok(RenameOutcome::Renamed { former })
    })
}

fn has_former_name(
    connection: &mut AnyConnection,
    user_id: &str,
    keys: &NameKeys,
) -> QueryResult<bool> {
    let former = former_usernames::table
        .filter(former_usernames::user_id.eq(user_id))
        .filter(former_usernames::folded_username.eq(&keys.folded));
    diesel::select(exists(former)).get_result(connection)
}

fn forget_former(
    connection: &mut AnyConnection,
    user_id: &str,
    keys: &NameKeys,
) -> QueryResult<()> {
    let former = former_usernames::table
        .filter(former_usernames::user_id.eq(user_id))
        .filter(former_usernames::folded_username.eq(&keys.folded));
    diesel::delete(former).execute(connection).map(drop)
}

fn is_renamed_often(connection: &mut AnyConnection, user_id: &str) -> QueryResult<bool> {
    let kept: i64 = former_usernames::table
        .filter(former_usernames::user_id.eq(user_id))
        .count()
        .get_result(connection)?;
    Ok(kept >= MAX_FORMER)
}

fn keep_former(
    connection: &mut AnyConnection,
    user_id: &str,
    former: &str,
    former_key: &str,
    now_ms: i64,
) -> QueryResult<()> {
    diesel::insert_into(former_usernames::table)
        .values((
            former_usernames::id.eq(Uuid::now_v7().to_string()),
            former_usernames::user_id.eq(user_id),
            former_usernames::username.eq(former),
            former_usernames::username_key.eq(former_key),
            former_usernames::folded_username.eq(fold(former)),
            former_usernames::changed_at.eq(now_ms),
        ))
        .execute(connection)
        .map(drop)
}

/// Returns whether a name is kept for a deleted user, or for another user than `except` who had it.
pub fn is_kept_name(
    connection: &mut AnyConnection,
    name: &Username,
    except: &str,
) -> QueryResult<bool> {
    Ok(is_name_of_deleted(connection, name)? || is_former_name(connection, name, except)?)
}

fn is_former_name(
    connection: &mut AnyConnection,
    name: &Username,
    except: &str,
) -> QueryResult<bool> {
    let NameKeys { key, folded } = name.keys();
    let has_name =
        former_usernames::username_key.eq(key).or(former_usernames::folded_username.eq(folded));
    let former = former_usernames::table.filter(has_name);
    diesel::select(exists(former.filter(former_usernames::user_id.ne(except))))
        .get_result(connection)
}

/// Returns the ids of the users for whom this former name is kept.
pub fn ids_of_former_name(
    connection: &mut AnyConnection,
    name: &Username,
) -> QueryResult<Vec<String>> {
    let NameKeys { key, folded } = name.keys();
    former_usernames::table
        .filter(
            former_usernames::username_key.eq(key).or(former_usernames::folded_username.eq(folded)),
        )
        .order(former_usernames::user_id)
        .distinct()
        .select(former_usernames::user_id)
        .load(connection)
}

/// Returns the names that a user had, the oldest first.
pub fn former_usernames(
    connection: &mut AnyConnection,
    user_id: &str,
) -> QueryResult<Vec<FormerUsername>> {
    former_usernames::table
        .filter(former_usernames::user_id.eq(user_id))
        .order(former_usernames::changed_at)
        .select((former_usernames::username, former_usernames::changed_at))
        .load(connection)
}

/// Frees up to `limit` names that were changed before `than_ms`. Returns the number of names.
pub fn free_former_usernames(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let ids: Vec<String> = former_usernames::table
        .filter(former_usernames::changed_at.lt(than_ms))
        .select(former_usernames::id)
        .limit(limit)
        .load(connection)?;
    diesel::delete(former_usernames::table.filter(former_usernames::id.eq_any(ids)))
        .execute(connection)
}
