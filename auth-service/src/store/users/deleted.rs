//! The deleted_users table: names that no new user gets while the audit trail has events of the
//! deleted user.

use diesel::prelude::*;

use crate::{
    domain::{
        fold::{NameKeys, fold},
        username::Username,
    },
    store::{
        AnyConnection,
        schema::{deleted_users, users},
    },
};

/// Keeps the name of a user who is deleted next.
pub(super) fn keep_name(connection: &mut AnyConnection, id: &str, now_ms: i64) -> QueryResult<()> {
    let row = users::table.find(id).select((users::username, users::username_key));
    let Some((username, key)) = row.first::<(String, String)>(connection).optional()? else {
        return Ok(());
    };
    diesel::insert_into(deleted_users::table)
        .values((
            deleted_users::id.eq(id),
            deleted_users::folded_username.eq(fold(&username)),
            deleted_users::username.eq(username),
            deleted_users::username_key.eq(key),
            deleted_users::deleted_at.eq(now_ms),
        ))
        .execute(connection)
        .map(drop)
}

/// Returns whether a deleted user had this name, whose events the audit trail still has.
pub(super) fn is_name_of_deleted(
    connection: &mut AnyConnection,
    username: &Username,
) -> QueryResult<bool> {
    ids_of_deleted(connection, username).map(|ids| !ids.is_empty())
}

/// Frees up to `limit` names of users who were deleted before `than_ms`. Returns the number of
/// names.
pub fn free_names(connection: &mut AnyConnection, than_ms: i64, limit: i64) -> QueryResult<usize> {
    let ids: Vec<String> = deleted_users::table
        .filter(deleted_users::deleted_at.lt(than_ms))
        .select(deleted_users::id)
        .limit(limit)
        .load(connection)?;
    diesel::delete(deleted_users::table.filter(deleted_users::id.eq_any(ids))).execute(connection)
}

/// Returns the ids of deleted users who had this name.
pub fn ids_of_deleted(
    connection: &mut AnyConnection,
    username: &Username,
) -> QueryResult<Vec<String>> {
    let NameKeys { key, folded } = username.keys();
    deleted_users::table
        .filter(deleted_users::username_key.eq(key).or(deleted_users::folded_username.eq(folded)))
        .order(deleted_users::deleted_at)
        .select(deleted_users::id)
        .load(connection)
}
