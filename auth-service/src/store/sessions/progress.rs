//! How far a session is: the generation of its newest refresh token, and whether it has ended.
//!
//! The generation is written behind, so it may be that of an older token. It is never that of a
//! newer one.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Text},
};
use shared::claims::SessionId;

use super::id::parse_id;
use crate::{
    domain::refresh_decision::{EPOCH, Generation, TokenGeneration},
    store::{
        AnyConnection,
        schema::{sessions, users},
        transaction::in_transaction,
        user_lock::lock_user,
    },
};

/// The progress of a session. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub sid: SessionId,
    pub began_at_ms: i64,
    pub generation: Generation,
    /// Time of the rotation to `generation`, by the clock of session state.
    pub rotated_at_ms: i64,
    /// Latest possible end of the session.
    pub expires_at_ms: i64,
    pub has_ended: bool,
}

/// The columns of a [`Progress`].
#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct ProgressRow {
    id: String,
    created_at: i64,
    generation: i64,
    rotated_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl Progress {
    pub fn from_row(row: ProgressRow) -> QueryResult<Self> {
        Ok(Self {
            sid: parse_id(&row.id)?,
            began_at_ms: row.created_at,
            generation: row.generation as Generation,
            rotated_at_ms: row.rotated_at,
            expires_at_ms: row.expires_at,
            has_ended: row.revoked_at.is_some(),
        })
    }
}

/// Returns the progress of a session, and when the scopes or roles of its user last changed. `None`
/// if the table does not have the session.
pub fn progress(
    connection: &mut AnyConnection,
    sid: SessionId,
) -> QueryResult<Option<(Progress, Option<i64>)>> {
    let row: Option<(ProgressRow, Option<String>)> = sessions::table
        .find(sid.to_string())
        .select((ProgressRow::as_select(), sessions::user_id))
        .first(connection)
        .optional()?;
    let Some((row, user_id)) = row else { return Ok(None) };
    let changed_at = match user_id {
        None => None,
        Some(id) => {
            users::table.find(id).select(users::claims_changed_at).first(connection).optional()?
        }
    };
    Ok(Some((Progress::from_row(row)?, changed_at.flatten())))
}

/// Records that these sessions were used, and the generations of their newest refresh tokens.
pub fn record_use(
    connection: &mut AnyConnection,
    used: &[(SessionId, TokenGeneration)],
    now_ms: i64,
) -> QueryResult<()> {
    match connection {
        AnyConnection::Postgres(postgres) => {
            let ids: Vec<String> = used.iter().map(|(sid, _)| sid.to_string()).collect();
            let generations: Vec<i64> =
                used.iter().map(|(_, newest)| newest.generation as i64).collect();
            let times: Vec<i64> = used.iter().map(|(_, newest)| newest.rotated_at_ms).collect();
            // In the order of the ids, so that two replicas do not wait for each other's rows.
            sql_query(
                "UPDATE \"sessions\" SET last_used_at = greatest(last_used_at, $1), \
                 rotated_at = CASE WHEN sessions.generation < used.generation \
                 THEN used.rotated_at ELSE sessions.rotated_at END, \
                 generation = greatest(sessions.generation, used.generation) \
                 FROM (SELECT locked.id, new.generation, new.rotated_at \
                 FROM unnest($2, $3, $4) AS new(id, generation, rotated_at) \
                 JOIN \"sessions\" AS locked ON locked.id = new.id \
                 ORDER BY locked.id FOR UPDATE OF locked) AS used \
                 WHERE sessions.id = used.id",
            )
            .bind::<BigInt, _>(now_ms)
            .bind::<Array<Text>, _>(ids)
            .bind::<Array<BigInt>, _>(generations)
            .bind::<Array<BigInt>, _>(times)
            .execute(postgres)
            .map(drop)
        }
        AnyConnection::Sqlite(_) => in_transaction(connection, |connection| {
            used.iter()
                .try_for_each(|(sid, newest)| record_one_use(connection, *sid, newest, now_ms))
        }),
    }
}

fn record_one_use(
    connection: &mut AnyConnection,
    sid: SessionId,
    newest: &TokenGeneration,
    now_ms: i64,
) -> QueryResult<()> {
    let id = sid.to_string();
    diesel::update(sessions::table.find(&id))
        .set(sessions::last_used_at.eq(now_ms))
        .execute(connection)?;
    let generation = newest.generation as i64;
    diesel::update(sessions::table.find(&id).filter(sessions::generation.lt(generation)))
        .set((sessions::generation.eq(generation), sessions::rotated_at.eq(newest.rotated_at_ms)))
        .execute(connection)
        .map(drop)
}

/// Voids the tokens of a live session: the session continues with the first generation of the next
/// epoch. Returns the session's progress and the time of its login, or `None` if the session has
/// ended.
pub fn void(
    connection: &mut AnyConnection,
    sid: SessionId,
    now_ms: i64,
) -> QueryResult<Option<(Progress, i64)>> {
    let epoch = EPOCH as i64;
    let live = sessions::table.find(sid.to_string()).filter(sessions::revoked_at.is_null());
    diesel::update(live.clone().filter(sessions::expires_at.gt(now_ms)))
        .set((
            sessions::generation.eq((sessions::generation / epoch + 1) * epoch),
            sessions::rotated_at.eq(now_ms),
            sessions::voided_at.eq(now_ms),
        ))
        .execute(connection)?;
    let row: Option<(ProgressRow, Option<i64>)> = live
        .select((ProgressRow::as_select(), sessions::auth_time))
        .first(connection)
        .optional()?;
    let Some((row, auth_time)) = row else { return Ok(None) };
    let progress = Progress::from_row(row)?;
    Ok(Some((progress, auth_time.unwrap_or(progress.began_at_ms))))
}

/// Returns up to `limit` live sessions whose older tokens were voided after `since_ms`, ordered by
/// id, starting after the id `after`.
pub fn voided_since(
    connection: &mut AnyConnection,
    since_ms: i64,
    after: Option<SessionId>,
    now_ms: i64,
    limit: i64,
) -> QueryResult<Vec<Progress>> {
    let mut query = sessions::table
        .filter(sessions::voided_at.gt(since_ms))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now_ms))
        .select(ProgressRow::as_select())
        .order(sessions::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(sessions::id.gt(after.to_string()));
    }
    let rows: Vec<ProgressRow> = query.load(connection)?;
    rows.into_iter().map(Progress::from_row).collect()
}

/// Records that the user of a live session has just proved the password again, unless the user has
/// changed since `user_revision` was read. Returns the session's progress, or `None` if nothing was
/// recorded.
pub fn reauthenticate(
    connection: &mut AnyConnection,
    sid: SessionId,
    user_id: &str,
    user_revision: i64,
    now_ms: i64,
) -> QueryResult<Option<Progress>> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        let unchanged = users::table.find(user_id).filter(users::revision.eq(user_revision));
        if !diesel::select(diesel::dsl::exists(unchanged)).get_result(connection)? {
            return Ok(None);
        }
        let live = sessions::table
            .find(sid.to_string())
            .filter(sessions::user_id.eq(user_id).and(sessions::revoked_at.is_null()))
            .filter(sessions::expires_at.gt(now_ms));
        let changed =
            diesel::update(live).set(sessions::auth_time.eq(now_ms)).execute(connection)?;
        if changed == 0 {
            return Ok(None);
        }
        let row = sessions::table.find(sid.to_string()).select(ProgressRow::as_select());
        Progress::from_row(row.first(connection)?).map(Some)
    })
}

/// As [`auth_time`], for a live session of this user. `None`: the user has no such session.
pub fn live_auth_time(
    connection: &mut AnyConnection,
    sid: SessionId,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<Option<i64>> {
    let live = sessions::table
        .find(sid.to_string())
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now_ms));
    let is_live: bool = diesel::select(diesel::dsl::exists(live)).get_result(connection)?;
    if is_live { auth_time(connection, sid) } else { Ok(None) }
}

/// Returns when the user of a session last proved the password, in milliseconds since the Unix
/// epoch.
pub fn auth_time(connection: &mut AnyConnection, sid: SessionId) -> QueryResult<Option<i64>> {
    let columns = (sessions::auth_time, sessions::created_at);
    let row: Option<(Option<i64>, i64)> =
        sessions::table.find(sid.to_string()).select(columns).first(connection).optional()?;
    // The previous version does not write the time: its sessions begin with a password.
    Ok(row.map(|(auth_time, created_at)| auth_time.unwrap_or(created_at)))
}
