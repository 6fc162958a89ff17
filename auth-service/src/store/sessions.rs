//! The sessions table: what is durable about a session. A refresh neither reads nor writes it.

use diesel::{
    dsl::{Eq, Filter, Find, IsNull, Update, sql},
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};
use shared::claims::SessionId;

use super::{
    AnyConnection, audit, insert_unless_exists,
    schema::{sessions, users},
};
use crate::domain::{
    audit::AuditRecord,
    session::{EndCause, Origin},
};

/// A session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub sid: SessionId,
    pub revoked_at_ms: i64,
    pub expires_at_ms: i64,
}

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub sid: SessionId,
    pub user_id: String,
    /// The revision of the user when the credentials were verified.
    pub user_revision: i64,
    /// How the user authenticated: method names separated by spaces (RFC 8176).
    pub amr: &'static str,
    /// Time of the authentication, in milliseconds since the Unix epoch. The session begins then.
    pub auth_time_ms: i64,
    /// Time when the session ends at the latest, in milliseconds since the Unix epoch.
    pub ends_at_ms: i64,
}

/// Begins a session and records it in the audit trail, unless the user has changed since the credentials were verified. Returns whether
/// it began. A concurrent change of the user either precedes this statement, and no session begins, or waits for it, and finds the
/// session. The record holds where the user is. A statement that outlasts the time limit may still succeed: then a session exists
/// whose tokens no client has.
pub fn begin(
    connection: &mut AnyConnection,
    session: &NewSession,
    record: &AuditRecord,
) -> QueryResult<bool> {
    let NewSession { sid, user_id, user_revision, amr, auth_time_ms, ends_at_ms } = session;
    let is_unchanged = users::revision.eq(*user_revision);
    let row = users::table.find(user_id).filter(is_unchanged).select((
        sid.to_string().into_sql::<Text>(),
        users::id.nullable(),
        record.origin.user_agent.as_deref().into_sql::<Nullable<Text>>(),
        record.origin.ip.as_deref().into_sql::<Nullable<Text>>(),
        auth_time_ms.into_sql::<BigInt>(),
        Some(auth_time_ms).into_sql::<Nullable<BigInt>>(),
        ends_at_ms.into_sql::<BigInt>(),
        Some(*amr).into_sql::<Nullable<Text>>(),
        Some(auth_time_ms).into_sql::<Nullable<BigInt>>(),
    ));
    let columns = (
        sessions::id,
        sessions::user_id,
        sessions::user_agent,
        sessions::ip,
        sessions::created_at,
        sessions::last_used_at,
        sessions::expires_at,
        sessions::amr,
        sessions::auth_time,
    );
    let locked = row.clone().for_share().insert_into(sessions::table).into_columns(columns);
    let insert = row.insert_into(sessions::table).into_columns(columns);
    audit::recorded(
        connection,
        locked.returning(sessions::id),
        |connection| insert.execute(connection),
        record,
    )
}

/// A session as its owner sees it. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct SessionDetails {
    pub sid: SessionId,
    pub created_at_ms: i64,
    pub last_used_at_ms: i64,
    pub expires_at_ms: i64,
    pub origin: Origin,
}

/// Up to `limit` sessions of a user that have not ended, those used last first.
pub fn details(
    connection: &mut AnyConnection,
    user_id: &str,
    now_ms: i64,
    limit: i64,
) -> QueryResult<Vec<SessionDetails>> {
    type Row = (String, i64, Option<i64>, i64, Option<String>, Option<String>);
    let rows: Vec<Row> = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::expires_at.gt(now_ms))
        .filter(sessions::revoked_at.is_null())
        .select((
            sessions::id,
            sessions::created_at,
            sessions::last_used_at,
            sessions::expires_at,
            sessions::user_agent,
            sessions::ip,
        ))
        .order((sessions::last_used_at.desc(), sessions::id.desc()))
        .limit(limit)
        .load(connection)?;
    let details = |(id, created_at_ms, last_used_at_ms, expires_at_ms, user_agent, ip): Row| {
        let last_used_at_ms = last_used_at_ms.unwrap_or(created_at_ms);
        let origin = Origin { user_agent, ip };
        Ok(SessionDetails { sid: parse_id(&id)?, created_at_ms, last_used_at_ms, expires_at_ms, origin })
    };
    rows.into_iter().map(details).collect()
}

/// Notes that these have just been used.
pub fn touch(connection: &mut AnyConnection, sids: &[SessionId], now_ms: i64) -> QueryResult<()> {
    let ids: Vec<String> = sids.iter().map(SessionId::to_string).collect();
    diesel::update(sessions::table.filter(sessions::id.eq_any(ids)))
        .set(sessions::last_used_at.eq(now_ms))
        .execute(connection)
        .map(drop)
}

/// Ends all sessions of a user but `keep`. Says which, with the time when each would have ended at the latest.
pub fn revoke_all(
    connection: &mut AnyConnection,
    user_id: &str,
    keep: Option<SessionId>,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    let alive = sessions::user_id.eq(user_id).and(sessions::revoked_at.is_null());
    let mut end = diesel::update(sessions::table)
        .filter(alive.and(sessions::expires_at.gt(now_ms)))
        .set((sessions::revoked_at.eq(now_ms), sessions::revoked_cause.eq(cause.name())))
        .into_boxed();
    if let Some(keep) = keep {
        end = end.filter(sessions::id.ne(keep.to_string()));
    }
    end.execute(connection)?;
    // Those, and perhaps some that ended for the same reason in the same millisecond.
    let rows: Vec<(String, i64)> = sessions::table
        .filter(sessions::user_id.eq(user_id).and(sessions::revoked_at.eq(now_ms)))
        .filter(sessions::revoked_cause.eq(cause.name()))
        .select((sessions::id, sessions::expires_at))
        .load(connection)?;
    rows.iter().map(|(id, expires_at)| Ok((parse_id(id)?, *expires_at))).collect()
}

/// How many have ended, in words.
pub fn count(ended: &[(SessionId, i64)]) -> String {
    match ended.len() {
        1 => "1 session ended".into(),
        many => format!("{many} sessions ended"),
    }
}

/// Ends a session of this user, as [`end`] does.
pub fn revoke_of(
    connection: &mut AnyConnection,
    user_id: &str,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<Option<Ended>> {
    let theirs = sessions::table.find(sid.to_string()).filter(sessions::user_id.eq(user_id));
    let is_theirs: bool = diesel::select(diesel::dsl::exists(theirs)).get_result(connection)?;
    if is_theirs { end(connection, sid, cause, now_ms) } else { Ok(None) }
}

/// Takes all sessions from a user who is about to be no more.
pub fn disown(connection: &mut AnyConnection, user_id: &str) -> QueryResult<()> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user_id)))
        .set((
            sessions::user_id.eq(None::<String>),
            sessions::user_agent.eq(None::<String>),
            sessions::ip.eq(None::<String>),
        ))
        .execute(connection)
        .map(drop)
}

/// The sessions of a user that have not ended, with the time when each expires.
pub fn of_user(
    connection: &mut AnyConnection,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    let rows: Vec<(String, i64)> = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::expires_at.gt(now_ms))
        .filter(sessions::revoked_at.is_null())
        .select((sessions::id, sessions::expires_at))
        .load(connection)?;
    rows.iter().map(|(id, expires_at)| Ok((parse_id(id)?, *expires_at))).collect()
}

fn parse_id(id: &str) -> QueryResult<SessionId> {
    let parsed = id.parse().map_err(|why| diesel::result::Error::DeserializationError(Box::new(why)))?;
    Ok(SessionId(parsed))
}

/// What became of a session that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it would have ended at the latest, in milliseconds since the Unix epoch.
    pub until_ms: i64,
    /// Whether it went on until now.
    pub is_new: bool,
}

/// Ends a session. One that has ended before keeps its first end. `None` if there is no such session.
pub fn end(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<Option<Ended>> {
    let is_new = revoke(connection, sid, cause, now_ms)?;
    let row = sessions::table.find(sid.to_string());
    let until_ms = row.select(sessions::expires_at).first(connection).optional()?;
    Ok(until_ms.map(|until_ms| Ended { until_ms, is_new }))
}

/// The session, if it goes on, with its end.
type Ending = Update<
    Filter<Find<sessions::table, String>, IsNull<sessions::revoked_at>>,
    (Eq<sessions::revoked_at, i64>, Eq<sessions::revoked_cause, &'static str>),
>;

fn ending(sid: SessionId, cause: EndCause, now_ms: i64) -> Ending {
    diesel::update(sessions::table.find(sid.to_string()).filter(sessions::revoked_at.is_null()))
        .set((sessions::revoked_at.eq(now_ms), sessions::revoked_cause.eq(cause.name())))
}

/// Ends a session as [`end`] does, and says only whether it went on until now.
pub fn revoke(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<bool> {
    ending(sid, cause, now_ms).execute(connection).map(|ended| ended > 0)
}

/// Ends a session as [`revoke`] does, and remembers it if it went on until now, both or neither. Says whether it did. What
/// takes longer than anybody waits may still come about: a logout that was told to fail, and did not.
pub fn revoke_recorded(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
    record: &AuditRecord,
) -> QueryResult<bool> {
    let end = || ending(sid, cause, now_ms);
    audit::recorded(connection, end().returning(sessions::id), |connection| end().execute(connection), record)
}

/// Whether there is such a session, be it one that has ended.
pub fn exists(connection: &mut AnyConnection, sid: SessionId) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(sessions::table.find(sid.to_string()))).get_result(connection)
}

/// Adds a session that nobody logged in to, a client's token, now that it has ended. One that is there is left
/// alone. Says whether it was not.
pub fn insert_revoked(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
    expires_at_ms: i64,
) -> QueryResult<bool> {
    let insert = diesel::insert_into(sessions::table).values((
        sessions::id.eq(sid.to_string()),
        sessions::created_at.eq(now_ms),
        sessions::expires_at.eq(expires_at_ms),
        sessions::revoked_at.eq(now_ms),
        sessions::revoked_cause.eq(cause.name()),
    ));
    insert_unless_exists(connection, |connection| insert.execute(connection))
}

/// Up to `limit` sessions that have ended and that no refresh token can outlive yet, in the order of their ids,
/// from the one after `after`. With `missing_only`, those that the blacklist is not known to hold.
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
    rows.into_iter()
        .map(|(id, revoked_at, expires_at_ms)| {
            Ok(Revoked { sid: parse_id(&id)?, revoked_at_ms: revoked_at.unwrap_or(now_ms), expires_at_ms })
        })
        .collect()
}

/// Up to `limit` sessions that ended after `since_ms`, with the time when they did, in the order in which they did, from
/// the one after `after`.
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
        // As the index has it: any number may have ended in one millisecond.
        let after = sql::<Bool>("(revoked_at, id) > (").bind::<BigInt, _>(at).sql(", ");
        query = query.filter(after.bind::<Text, _>(sid.to_string()).sql(")"));
    }
    let rows: Vec<(String, Option<i64>)> = query.load(connection)?;
    rows.iter().map(|(id, at)| Ok((parse_id(id)?, at.unwrap_or(since_ms)))).collect()
}

/// Notes that the blacklist holds these.
pub fn mark_blacklisted(connection: &mut AnyConnection, sids: &[SessionId], now_ms: i64) -> QueryResult<()> {
    let ids: Vec<String> = sids.iter().map(SessionId::to_string).collect();
    diesel::update(sessions::table.filter(sessions::id.eq_any(ids)))
        .set(sessions::blacklisted_at.eq(now_ms))
        .execute(connection)
        .map(drop)
}

/// Deletes up to `limit` sessions that no token can belong to any more. Says how many it deleted.
pub fn delete_expired(connection: &mut AnyConnection, now_ms: i64, limit: i64) -> QueryResult<usize> {
    let expired: Vec<String> = sessions::table
        .filter(sessions::expires_at.le(now_ms))
        .select(sessions::id)
        .limit(limit)
        .load(connection)?;
    diesel::delete(sessions::table.filter(sessions::id.eq_any(expired))).execute(connection)
}

/// Whether the database answers.
pub fn ping(connection: &mut AnyConnection) -> QueryResult<()> {
    diesel::sql_query("SELECT 1").execute(connection).map(drop)
}
