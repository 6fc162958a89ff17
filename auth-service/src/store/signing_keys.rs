//! The signing_keys table: the keys that sign access tokens, shared by all replicas.

use diesel::prelude::*;

use super::{AnyConnection, schema::signing_keys, transaction::insert_unless_exists};
use crate::domain::key_schedule::KeyTimes;

/// A signing key. Its private part is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Position in the order in which keys were added. The first key has number 1.
    pub number: i64,
    pub kid: String,
    pub algorithm: String,
    pub sealed: String,
    pub times: KeyTimes,
}

type Row = (i64, String, String, String, i64, Option<i64>, i64);

/// Returns all keys, in the order in which they were added.
pub fn all(connection: &mut AnyConnection) -> QueryResult<Vec<KeyRow>> {
    let rows: Vec<Row> = signing_keys::table.order(signing_keys::number).load(connection)?;
    let row =
        |(number, kid, algorithm, sealed, published_at_ms, activates_at_ms, token_lifetime_ms)| {
            KeyRow {
                number,
                kid,
                algorithm,
                sealed,
                times: KeyTimes { published_at_ms, activates_at_ms, token_lifetime_ms },
            }
        };
    Ok(rows.into_iter().map(row).collect())
}

/// Returns the longest lifetime of the tokens of all keys, in milliseconds. `None` without a key.
pub fn longest_token_lifetime(connection: &mut AnyConnection) -> QueryResult<Option<i64>> {
    signing_keys::table.select(diesel::dsl::max(signing_keys::token_lifetime)).first(connection)
}

/// Inserts a key. Returns `false` if a key with the number exists.
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

/// Sets the time from which a key signs, unless an earlier time is set. Returns whether it did.
pub fn activate(connection: &mut AnyConnection, kid: &str, at_ms: i64) -> QueryResult<bool> {
    let later = signing_keys::activates_at.is_null().or(signing_keys::activates_at.gt(at_ms));
    diesel::update(signing_keys::table.filter(signing_keys::kid.eq(kid)).filter(later))
        .set(signing_keys::activates_at.eq(at_ms))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Raises the recorded lifetime of the tokens that keys sign, for keys with this number or a later
/// one. A longer lifetime stays.
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

/// Deletes a key, unless its activation has changed since the row was read. Returns whether it did.
pub fn delete(connection: &mut AnyConnection, row: &KeyRow) -> QueryResult<bool> {
    let this = signing_keys::table.filter(signing_keys::kid.eq(&row.kid));
    let deleted = match row.times.activates_at_ms {
        Some(at) => {
            diesel::delete(this.filter(signing_keys::activates_at.eq(at))).execute(connection)
        }
        None => {
            diesel::delete(this.filter(signing_keys::activates_at.is_null())).execute(connection)
        }
    };
    deleted.map(|deleted| deleted > 0)
}
