//! Sessions end.

use diesel::{
    dsl::{Eq, Filter, Find, IsNull, Update},
    prelude::*,
};
use shared::claims::SessionId;

use super::id::parse_rows;
use crate::{
    domain::{audit::AuditRecord, session::EndCause},
    store::{AnyConnection, audit, schema::sessions, transaction::insert_unless_exists},
};

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
pub fn end_audited(
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

/// Ends all live sessions of a user except `keep`. Returns the sessions that end, each with its
/// latest possible end.
pub fn end_all(
    connection: &mut AnyConnection,
    user_id: &str,
    keep: Option<SessionId>,
    cause: EndCause,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    let is_live = sessions::user_id.eq(user_id).and(sessions::revoked_at.is_null());
    let mut end = diesel::update(sessions::table)
        .filter(is_live.and(sessions::expires_at.gt(now_ms)))
        .set((sessions::revoked_at.eq(now_ms), sessions::revoked_cause.eq(cause.name())))
        .into_boxed();
    if let Some(keep) = keep {
        end = end.filter(sessions::id.ne(keep.to_string()));
    }
    end.execute(connection)?;
    // May include sessions that another statement ended for the same cause in this millisecond.
    let rows: Vec<(String, i64)> = sessions::table
        .filter(sessions::user_id.eq(user_id).and(sessions::revoked_at.eq(now_ms)))
        .filter(sessions::revoked_cause.eq(cause.name()))
        .select((sessions::id, sessions::expires_at))
        .load(connection)?;
    parse_rows(&rows)
}

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
