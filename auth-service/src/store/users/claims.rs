//! Changes of scopes and roles.
//!
//! A change is written to the database first, and to session state second. The column
//! `claims_marked_at` is null until session state is known to have marked the user's sessions.

use diesel::prelude::*;

use super::lookup::{User, UserRow};
use crate::store::{AnyConnection, one_time_codes, schema::users};

/// Replaces a user's scopes and roles, unless the user has changed since `read` was read. Returns
/// whether it did.
pub fn set_claims(
    connection: &mut AnyConnection,
    read: &User,
    scope: &str,
    roles: &str,
    now_ms: i64,
) -> QueryResult<bool> {
    let id = read.id.to_string();
    let changed_at = next_change_time(connection, &id, now_ms)?;
    let changed = diesel::update(users::table.find(&id).filter(users::revision.eq(read.revision)))
        .set((
            users::scope.eq(scope),
            users::roles.eq(roles),
            users::claims_changed_at.eq(changed_at),
            users::claims_marked_at.eq(None::<i64>),
            users::revision.eq(users::revision + 1),
        ))
        .execute(connection)?;
    if changed == 0 {
        return Ok(false);
    }
    // A code for a new password stays valid when an operator grants a role.
    one_time_codes::carry_over(connection, &id)?;
    Ok(true)
}

/// Returns the time of a change of claims. The time identifies the change, so it differs from that
/// of the last one even if the clock of this replica is behind.
pub(super) fn next_change_time(
    connection: &mut AnyConnection,
    id: &str,
    now_ms: i64,
) -> QueryResult<i64> {
    let last: Option<i64> =
        users::table.find(id).select(users::claims_changed_at).first(connection)?;
    Ok(last.map_or(now_ms, |last| now_ms.max(last + 1)))
}

/// Returns up to `limit` users whose scopes or roles have changed, each with the time of the last
/// change, ordered by id, starting after the id `after`. With `unmarked_only`, users whose sessions
/// are known to be marked are left out.
pub fn with_changed_claims(
    connection: &mut AnyConnection,
    after: Option<&str>,
    unmarked_only: bool,
    limit: i64,
) -> QueryResult<Vec<(String, i64)>> {
    let mut query = users::table
        .filter(users::claims_changed_at.is_not_null())
        .select((users::id, users::claims_changed_at))
        .order(users::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(users::id.gt(after.to_owned()));
    }
    if unmarked_only {
        query = query.filter(users::claims_marked_at.is_null());
    }
    let rows: Vec<(String, Option<i64>)> = query.load(connection)?;
    Ok(rows.into_iter().filter_map(|(id, changed_at)| Some((id, changed_at?))).collect())
}

/// Records that a user's sessions are marked with the change of this time, unless the user's claims
/// have changed again.
pub fn set_claims_marked(
    connection: &mut AnyConnection,
    id: &str,
    changed_at_ms: i64,
) -> QueryResult<()> {
    diesel::update(users::table.find(id).filter(users::claims_changed_at.eq(changed_at_ms)))
        .set(users::claims_marked_at.eq(changed_at_ms))
        .execute(connection)
        .map(drop)
}

/// Returns up to `limit` users who have a scope or a role, ordered by id, starting after the id
/// `after`.
pub fn with_claims(
    connection: &mut AnyConnection,
    after: Option<&str>,
    limit: i64,
) -> QueryResult<Vec<User>> {
    let has_claims = users::scope.ne("").or(users::roles.ne(""));
    let rows: Vec<UserRow> = users::table
        .filter(has_claims.and(users::id.gt(after.unwrap_or_default())))
        .select(UserRow::as_select())
        .order(users::id)
        .limit(limit)
        .load(connection)?;
    rows.into_iter().map(UserRow::parse).collect()
}
