//! A session begins.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};
use shared::claims::SessionId;

use crate::{
    domain::audit::AuditRecord,
    store::{
        AnyConnection, audit,
        schema::{sessions, users},
    },
};

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
}

/// Begins a session and records it in the audit trail, unless the user has changed since the
/// credentials were verified. Returns whether the session began. `record` holds the origin.
///
/// A concurrent change of the user either precedes this statement, and no session begins, or waits
/// for it, and finds the session. A statement that outlasts the time limit may still succeed: then
/// a session exists whose tokens no client has.
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
    audit::execute_audited(
        connection,
        locked.returning(sessions::id),
        |connection| insert.execute(connection),
        record,
    )
}
