//! Sessions that have ended or expired.

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool, Text},
};
use shared::claims::SessionId;

use super::id::parse_id;
use crate::store::{AnyConnection, schema::sessions};

/// A session that has ended. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub sid: SessionId,
    pub revoked_at_ms: i64,
    /// Latest possible expiry of a token of the session.
    pub expires_at_ms: i64,
}

/// Returns up to `limit` ended sessions of which a token may still be unexpired, ordered by id,
/// starting after the id `after`. With `missing_only`, sessions that session state is known to hold
/// are left out.
pub fn revoked(
    connection: &mut AnyConnection,
    after: Option<SessionId>,
    missing_only: bool,
    now_ms: i64,
    limit: i64,
) -> QueryResult<Vec<Revoked>> {
    let mut query = sessions::table
        .filter(sessions::revoked_at.is_not_null())
        .filter(sessions::expires_at.gt(now_ms))
        .select((sessions::id, sessions::revoked_at, sessions::expires_at))
        .order(sessions::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(sessions::id.gt(after.to_string()));
    }
    if missing_only {
        query = query.filter(sessions::blacklisted_at.is_null());
    }
    let rows: Vec<(String, Option<i64>, i64)> = query.load(connection)?;
    let revoked = |(id, revoked_at, expires_at_ms): (String, Option<i64>, i64)| {
        let revoked_at_ms = revoked_at.unwrap_or(now_ms);
        Ok(Revoked { sid: parse_id(&id)?, revoked_at_ms, expires_at_ms })
    };
    rows.into_iter().map(revoked).collect()
}

/// Returns up to `limit` sessions that ended after `since_ms`, each with the time of its end,
/// ordered by that time and the id, starting after the session `after`.
pub fn revoked_since(
    connection: &mut AnyConnection,
    since_ms: i64,
    after: Option<(SessionId, i64)>,
    limit: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    let mut query = sessions::table
        .filter(sessions::revoked_at.gt(since_ms))
        .select((sessions::id, sessions::revoked_at))
        .order((sessions::revoked_at, sessions::id))
        .limit(limit)
        .into_boxed();
    if let Some((sid, at)) = after {
        // A comparison of rows uses the index. Any number of sessions may end in one millisecond.
        let after = sql::<Bool>("(revoked_at, id) > (").bind::<BigInt, _>(at).sql(", ");
        query = query.filter(after.bind::<Text, _>(sid.to_string()).sql(")"));
    }
    let rows: Vec<(String, Option<i64>)> = query.load(connection)?;
    rows.iter().map(|(id, at)| Ok((parse_id(id)?, at.unwrap_or(since_ms)))).collect()
}

/// Records that session state holds these ended sessions.
pub fn mark_in_session_state(
    connection: &mut AnyConnection,
    sids: &[SessionId],
    now_ms: i64,
) -> QueryResult<()> {
    let ids: Vec<String> = sids.iter().map(SessionId::to_string).collect();
    diesel::update(sessions::table.filter(sessions::id.eq_any(ids)))
        .set(sessions::blacklisted_at.eq(now_ms))
        .execute(connection)
        .map(drop)
}

/// Deletes up to `limit` sessions whose tokens have all expired. Returns the number of deleted
/// sessions.
pub fn delete_expired(
    connection: &mut AnyConnection,
    now_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let expired: Vec<String> = sessions::table
        .filter(sessions::expires_at.le(now_ms))
        .select(sessions::id)
        .limit(limit)
        .load(connection)?;
    let delete = diesel::delete(sessions::table.filter(sessions::id.eq_any(expired)));
    delete.execute(connection)
}
