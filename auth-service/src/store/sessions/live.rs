//! Sessions that have not ended.

use diesel::prelude::*;
use shared::claims::SessionId;

use super::{
    id::parse_id,
    progress::{Progress, ProgressRow},
};
use crate::{
    domain::session::Origin,
    store::{AnyConnection, schema::sessions},
};

/// A session as its user sees it. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct SessionDetails {
    pub sid: SessionId,
    pub created_at_ms: i64,
    pub last_used_at_ms: i64,
    pub expires_at_ms: i64,
    pub origin: Origin,
}

/// Returns up to `limit` live sessions of a user, the last used first.
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
    let details = |row: Row| {
        let (id, created_at_ms, last_used_at_ms, expires_at_ms, user_agent, ip) = row;
        Ok(SessionDetails {
            sid: parse_id(&id)?,
            created_at_ms,
            last_used_at_ms: last_used_at_ms.unwrap_or(created_at_ms),
            expires_at_ms,
            origin: Origin { user_agent, ip },
        })
    };
    rows.into_iter().map(details).collect()
}

/// Returns the live sessions of a user.
pub fn live_of_user(
    connection: &mut AnyConnection,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<Vec<Progress>> {
    let rows: Vec<ProgressRow> = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::expires_at.gt(now_ms))
        .filter(sessions::revoked_at.is_null())
        .select(ProgressRow::as_select())
        .load(connection)?;
    rows.into_iter().map(Progress::from_row).collect()
}

/// Returns whether the table has a session, live or ended.
pub fn exists(connection: &mut AnyConnection, sid: SessionId) -> QueryResult<bool> {
    let row = sessions::table.find(sid.to_string());
    diesel::select(diesel::dsl::exists(row)).get_result(connection)
}
