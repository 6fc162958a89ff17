//! The signing_keys table: the keys that sign access tokens, as all replicas share them.

use diesel::prelude::*;

use super::{AnyConnection, insert_unless_exists, schema::signing_keys};
use crate::domain::key_schedule::KeyTimes;

/// A key, its private part sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Which key it is since the first, in the order they were added.
    pub number: i64,
    pub kid: String,
    pub algorithm: String,
    pub sealed: String,
    pub times: KeyTimes,
}

type Row = (i64, String, String, String, i64, Option<i64>, i64);

/// All keys, in the order they were added.
pub fn all(connection: &mut AnyConnection) -> QueryResult<Vec<KeyRow>> {
    let rows: Vec<Row> = signing_keys::table
        .select((
            signing_keys::number,
            signing_keys::kid,
            signing_keys::algorithm,
            signing_keys::sealed,
            signing_keys::published_at,
            signing_keys::activates_at,
            signing_keys::token_lifetime,
        ))
        .order(signing_keys::number)
        .load(connection)?;
    let row =
        |(number, kid, algorithm, sealed, published_at_ms, activates_at_ms, token_lifetime_ms)| KeyRow {
            number,
            kid,
            algorithm,
            sealed,
            times: KeyTimes { published_at_ms, activates_at_ms, token_lifetime_ms },
        };
    Ok(rows.into_iter().map(row).collect())
}

/// Adds a key, unless another of its number is there. Says whether it did.
pub fn insert(connection: &mut AnyConnection, row: &KeyRow) -> QueryResult<bool> {
    let insert = diesel::insert_into(signing_keys::table).values((
        signing_keys::number.eq(row.number),
        signing_keys::kid.eq(&row.kid),
        signing_keys::algorithm.eq(&row.algorithm),
        signing_keys::sealed.eq(&row.sealed),
        signing_keys::published_at.eq(row.times.published_at_ms),
        signing_keys::activates_at.eq(row.times.activates_at_ms),
        signing_keys::token_lifetime.eq(row.times.token_lifetime_ms),
    ));
    insert_unless_exists(connection, |connection| insert.execute(connection))
}

/// Sets from when on a key signs, unless that was set to an earlier time. Says whether it did.
pub fn activate(connection: &mut AnyConnection, kid: &str, at_ms: i64) -> QueryResult<bool> {
    let later = signing_keys::activates_at.is_null().or(signing_keys::activates_at.gt(at_ms));
    diesel::update(signing_keys::table.filter(signing_keys::kid.eq(kid)).filter(later))
        .set(signing_keys::activates_at.eq(at_ms))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Notes that tokens which the keys sign from now on live as long as this, where no longer life is noted.
pub fn extend_token_lifetime(
    connection: &mut AnyConnection,
    from_number: i64,
    token_lifetime_ms: i64,
) -> QueryResult<()> {
    let shorter = signing_keys::token_lifetime.lt(token_lifetime_ms);
    diesel::update(signing_keys::table.filter(signing_keys::number.ge(from_number)).filter(shorter))
        .set(signing_keys::token_lifetime.eq(token_lifetime_ms))
        .execute(connection)
        .map(drop)
}

/// Deletes a key, if it is as it was when it was read. Says whether it did.
pub fn delete(connection: &mut AnyConnection, row: &KeyRow) -> QueryResult<bool> {
    let this = signing_keys::table.filter(signing_keys::kid.eq(&row.kid));
    let deleted = match row.times.activates_at_ms {
        Some(at) => diesel::delete(this.filter(signing_keys::activates_at.eq(at))).execute(connection),
        None => diesel::delete(this.filter(signing_keys::activates_at.is_null())).execute(connection),
    };
    deleted.map(|deleted| deleted > 0)
}
