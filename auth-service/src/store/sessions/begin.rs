//! Begins sessions, and ends the oldest sessions of a user who has too many.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Nullable, Text},
};
use shared::claims::SessionId;

use super::{end::end_oldest, id::parse_rows};
use crate::{
    domain::{audit::AuditRecord, session::EndCause},
    store::{
        AnyConnection, Recorder, audit,
        schema::{sessions, users},
        transaction::in_transaction,
    },
};

/// Name of the cause in the database.
const SESSION_LIMIT: &str = EndCause::SessionLimit.name();
/// Maximum number of sessions that one login ends. A user may have more than the limit from before
/// there was one.
const MAX_ENDED: i64 = 1000;

/// A session to begin.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub sid: SessionId,
    pub user_id: String,
    /// Revision of the user when the credentials were verified.
    pub user_revision: i64,
    /// How the user authenticated: method names separated by spaces (RFC 8176).
    pub amr: &'static str,
    /// Time of the authentication, at which the session begins, in milliseconds since the Unix
    /// epoch.
    pub auth_time_ms: i64,
    /// Latest possible end of the session, in milliseconds since the Unix epoch.
    pub ends_at_ms: i64,
    /// Maximum number of live sessions of the user, this one included: at least 1.
    pub max_sessions: i64,
}

/// The records of a login.
#[derive(Clone, Debug)]
pub struct LoginRecords {
    /// The login. Holds the origin of the session.
    pub login: AuditRecord,
    /// The end of each session beyond the limit. Names no session.
    pub end: AuditRecord,
}

/// Begins a session and records it in the audit trail, unless the user has changed since the
/// credentials were verified. Then ends and records the oldest sessions of the user beyond the
/// limit, as many as 1,000. Returns the sessions that end, each with its latest possible end.
/// Returns `None` if no session began.
///
/// Simultaneous logins of one user do not see each other's sessions, so their user may have a few
/// more sessions than the limit until the next login.
///
/// A concurrent change of the user either precedes this statement, and no session begins, or waits
/// for it, and finds the session. A statement that outlasts the time limit may still succeed: then
/// a session exists whose tokens no client has.
fn begin_unrecorded(
    connection: &mut AnyConnection,
    session: &NewSession,
    records: &LoginRecords,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    let NewSession { sid, user_id, user_revision, amr, auth_time_ms, ends_at_ms, .. } = session;
    let LoginRecords { login, end } = records;
    let is_unchanged = users::revision.eq(*user_revision);
    let row = users::table.find(user_id).filter(is_unchanged).select((
        sid.to_string().into_sql::<Text>(),
        users::id.nullable(),
        login.origin.user_agent.as_deref().into_sql::<Nullable<Text>>(),
        login.origin.ip.as_deref().into_sql::<Nullable<Text>>(),
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
    match connection {
        AnyConnection::Postgres(postgres) => {
            let locked = row.for_share().insert_into(sessions::table).into_columns(columns);
            let login = Login {
                begin: locked.returning(sessions::id),
                insert: audit::insert_for_changed(login),
                insert_ends: audit::insert_for_ended(end),
                user_id: user_id.clone(),
                max_sessions: session.max_sessions,
                now_ms: end.at_ms,
            };
            let rows: Vec<(String, Option<i64>)> = login.load(postgres)?;
            if rows.is_empty() {
                return Ok(None);
            }
            let ended = rows.into_iter().filter_map(|(id, until_ms)| Some((id, until_ms?)));
            parse_rows(&ended.collect::<Vec<_>>()).map(Some)
        }
        AnyConnection::Sqlite(_) => in_transaction(connection, |connection| {
            let insert = row.insert_into(sessions::table).into_columns(columns);
            if insert.execute(connection)? == 0 {
                return Ok(None);
            }
            audit::insert(connection, login)?;
            let cause = EndCause::SessionLimit;
            let newest = session.max_sessions;
            let ended = end_oldest(connection, user_id, None, newest, MAX_ENDED, cause, end.at_ms)?;
            for (sid, _) in &ended {
                audit::insert(connection, &end.clone().session(*sid))?;
            }
            Ok(Some(ended))
        }),
    }
}

/// As [`begin_unrecorded`], with the messages about the session that begins and those that end.
/// Without a receiver of such messages, this is that one statement.
pub fn begin(
    connection: &mut AnyConnection,
    session: &NewSession,
    records: &LoginRecords,
    recorder: &Recorder,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    let LoginRecords { login, end } = records;
    if !recorder.watches(login.event) && !recorder.watches(end.event) {
        return begin_unrecorded(connection, session, records);
    }
    in_transaction(connection, |connection| {
        let ended = begin_unrecorded(connection, session, records)?;
        if let Some(ended) = &ended {
            recorder.write(connection, login)?;
            recorder.write(connection, &end.clone().ending(ended))?;
        }
        Ok(ended)
    })
}

/// The statement of a login on PostgreSQL: one round trip, without a statement that begins or ends
/// a transaction. Returns the id of the session that begins, if one begins, without a time, and
/// the id and the latest possible end of each session that ends.
#[derive(QueryId)]
struct Login<B, I, E> {
    begin: B,
    insert: I,
    insert_ends: E,
    user_id: String,
    max_sessions: i64,
    now_ms: i64,
}

impl<B, I, E> QueryFragment<Pg> for Login<B, I, E>
where
    B: QueryFragment<Pg>,
    I: QueryFragment<Pg>,
    E: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH changed AS (");
        self.begin.walk_ast(out.reborrow())?;
        out.push_sql("), ended AS (");
        self.end_oldest(out.reborrow())?;
        out.push_sql("), recorded AS (");
        self.insert.walk_ast(out.reborrow())?;
        out.push_sql("), recorded_ends AS (");
        self.insert_ends.walk_ast(out.reborrow())?;
        out.push_sql(
            ") SELECT id, NULL::bigint FROM changed UNION ALL SELECT id, expires_at FROM ended",
        );
        Ok(())
    }
}

impl<B, I, E> Login<B, I, E> {
    /// Writes the part that ends the oldest sessions, if a session begins. The statement does not
    /// see the session that it inserts.
    ///
    /// A session that another statement is ending is left to that statement, so that no two
    /// statements wait for each other.
    fn end_oldest<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET revoked_at = ");
        out.push_bind_param::<BigInt, _>(&self.now_ms)?;
        out.push_sql(", revoked_cause = ");
        out.push_bind_param::<Text, _>(SESSION_LIMIT)?;
        out.push_sql(
            " WHERE id IN (SELECT id FROM sessions WHERE revoked_at IS NULL AND id IN \
             (SELECT id FROM sessions WHERE revoked_at IS NULL AND user_id = ",
        );
        out.push_bind_param::<Text, _>(&self.user_id)?;
        out.push_sql(" AND expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now_ms)?;
        out.push_sql(" AND EXISTS (SELECT FROM changed) ORDER BY created_at DESC, id DESC OFFSET ");
        out.push_bind_param::<BigInt, _>(&self.max_sessions)?;
        out.push_sql(" - 1 LIMIT ");
        out.push_bind_param::<BigInt, _>(&MAX_ENDED)?;
        out.push_sql(") FOR UPDATE SKIP LOCKED) RETURNING id, expires_at");
        Ok(())
    }
}

impl<B, I, E> Query for Login<B, I, E> {
    type SqlType = (Text, Nullable<BigInt>);
}

impl<B, I, E> RunQueryDsl<PgConnection> for Login<B, I, E> {}
