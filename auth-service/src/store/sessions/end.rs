//! Ends sessions.

use diesel::{
    dsl::{Eq, Filter, Find, IsNull, Update},
    prelude::*,
    sql_types::{BigInt, Text},
};
use shared::claims::SessionId;

use super::id::parse_rows;
use crate::{
    domain::{audit::AuditRecord, session::EndCause},
    store::{
        AnyConnection, Recorder, audit,
        schema::sessions,
        transaction::{in_transaction, insert_unless_exists},
        user_lock::lock_user,
    },
};

/// Maximum number of sessions that one transaction ends in time, whatever the database's disk.
const MAX_ENDED_AT_ONCE: i64 = 1000;

/// Outcome of ending a session that the table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Latest possible end of the session, in milliseconds since the Unix epoch.
    pub until_ms: i64,
    /// Whether the session was live until now.
    pub is_new: bool,
}

/// Ends a session. A session that has ended already keeps its time and cause. Returns `None` if the
/// table does not have the session.
pub fn end(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<Option<Ended>> {
    let is_new = end_update(sid, cause, now_ms).execute(connection)? > 0;
    let row = sessions::table.find(sid.to_string());
    let until_ms = row.select(sessions::expires_at).first(connection).optional()?;
    Ok(until_ms.map(|until_ms| Ended { until_ms, is_new }))
}

/// Ends a session of this user, as [`end`] does.
pub fn end_of_user(
    connection: &mut AnyConnection,
    user_id: &str,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<Option<Ended>> {
    let row = sessions::table.find(sid.to_string()).filter(sessions::user_id.eq(user_id));
    let is_of_user: bool = diesel::select(diesel::dsl::exists(row)).get_result(connection)?;
    if is_of_user { end(connection, sid, cause, now_ms) } else { Ok(None) }
}

/// Ends a session and records the end if the session was live, both or neither. Returns whether the
/// session was live.
///
/// A statement that outlasts the time limit may still succeed: then a logout takes effect that was
/// answered with an error.
fn end_unrecorded(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
    record: &AuditRecord,
) -> QueryResult<bool> {
    let end = || end_update(sid, cause, now_ms);
    audit::execute_audited(
        connection,
        end().returning(sessions::id),
        |connection| end().execute(connection),
        record,
    )
}

/// As [`end_unrecorded`], with the messages about the end. Without a receiver of such messages, this
/// is that one statement.
pub fn end_audited(
    connection: &mut AnyConnection,
    sid: SessionId,
    cause: EndCause,
    now_ms: i64,
    record: &AuditRecord,
    recorder: &Recorder,
) -> QueryResult<bool> {
    if !recorder.watches(record.event) {
        return end_unrecorded(connection, sid, cause, now_ms, record);
    }
    in_transaction(connection, |connection| {
        let is_new = end_unrecorded(connection, sid, cause, now_ms, record)?;
        if is_new {
            recorder.write(connection, record)?;
        }
        Ok(is_new)
    })
}

/// The sessions whose end was written, each with its latest possible end.
type EndedRows = Vec<(SessionId, i64)>;

/// Returns whether a user has more live sessions than [`end_all`] can end at once. `keep` does not
/// count.
pub fn has_surplus(
    connection: &mut AnyConnection,
    user_id: &str,
    keep: Option<SessionId>,
    now_ms: i64,
) -> QueryResult<bool> {
    let surplus = newest_first(user_id, keep, now_ms).offset(MAX_ENDED_AT_ONCE).limit(1);
    surplus.first::<(String, i64)>(connection).optional().map(|found| found.is_some())
}

/// Ends up to [`MAX_ENDED_AT_ONCE`] of the sessions that a user has beyond this number. Returns the
/// sessions that end, none if the user has no more. `keep` does not count and stays alive.
pub fn end_surplus(
    connection: &mut AnyConnection,
    user_id: &str,
    keep: Option<SessionId>,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<EndedRows> {
    in_transaction(connection, |connection| {
        // Two transactions that end the same sessions in another order would wait for each other.
        lock_user(connection, user_id)?;
        let newest = MAX_ENDED_AT_ONCE;
        end_oldest(connection, user_id, keep, newest, MAX_ENDED_AT_ONCE, cause, now_ms)
    })
}

/// Ends up to `limit` live sessions of a user, except the `newest` newest ones and `keep`. Runs in
/// the caller's transaction.
pub(super) fn end_oldest(
    connection: &mut AnyConnection,
    user_id: &str,
    keep: Option<SessionId>,
    newest: i64,
    limit: i64,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<EndedRows> {
    let ended: Vec<(String, i64)> =
        newest_first(user_id, keep, now_ms).offset(newest).limit(limit).load(connection)?;
    if !ended.is_empty() {
        let ids: Vec<&str> = ended.iter().map(|(id, _)| id.as_str()).collect();
        // A session that another statement has ended meanwhile keeps its time and cause.
        let is_live = sessions::id.eq_any(ids).and(sessions::revoked_at.is_null());
        diesel::update(sessions::table.filter(is_live))
            .set((sessions::revoked_at.eq(now_ms), sessions::revoked_cause.eq(cause.name())))
            .execute(connection)?;
    }
    parse_rows(&ended)
}

/// Ends all live sessions of a user except `keep`. Returns the sessions that end, each with its
/// latest possible end.
///
/// Ends a user's surplus first ([`end_surplus`]): a transaction that ends too many sessions takes
/// longer than a request may.
pub fn end_all(
    connection: &mut AnyConnection,
    user_id: &str,
    keep: Option<SessionId>,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<EndedRows> {
    end_oldest(connection, user_id, keep, 0, i64::MAX, cause, now_ms)
}

/// Returns a query of the live sessions of a user except `keep`, the newest first, each with its
/// latest possible end.
fn newest_first(user_id: &str, keep: Option<SessionId>, now_ms: i64) -> NewestFirst<'_> {
    let is_live = sessions::user_id.eq(user_id).and(sessions::revoked_at.is_null());
    let query = sessions::table
        .filter(is_live.and(sessions::expires_at.gt(now_ms)))
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .select((sessions::id, sessions::expires_at))
        .into_boxed();
    match keep {
        Some(keep) => query.filter(sessions::id.ne(keep.to_string())),
        None => query,
    }
}

type NewestFirst<'a> =
    sessions::BoxedQuery<'a, <AnyConnection as Connection>::Backend, (Text, BigInt)>;

/// Inserts the session of a client's token, which has no row until it ends. Returns `false` if the
/// table has the session.
pub fn insert_ended(
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

/// Removes a user, who is deleted next, and the user's origins from all sessions of the user.
pub fn remove_user(connection: &mut AnyConnection, user_id: &str) -> QueryResult<()> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user_id)))
        .set((
            sessions::user_id.eq(None::<String>),
            sessions::user_agent.eq(None::<String>),
            sessions::ip.eq(None::<String>),
        ))
        .execute(connection)
        .map(drop)
}

/// The update of a live session.
type EndUpdate = Update<
    Filter<Find<sessions::table, String>, IsNull<sessions::revoked_at>>,
    (Eq<sessions::revoked_at, i64>, Eq<sessions::revoked_cause, &'static str>),
>;

fn end_update(sid: SessionId, cause: EndCause, now_ms: i64) -> EndUpdate {
    diesel::update(sessions::table.find(sid.to_string()).filter(sessions::revoked_at.is_null()))
        .set((sessions::revoked_at.eq(now_ms), sessions::revoked_cause.eq(cause.name())))
}
