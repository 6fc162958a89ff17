//! The credentials table: what a user proves the own identity with.

use diesel::prelude::*;
use uuid::Uuid;

use super::{
    AnyConnection, schema::credentials, transaction::in_transaction, user_lock::lock_user,
};
use crate::credentials::PasswordHash;

/// Kind of a credential that is a password.
pub const PASSWORD: &str = "password";

/// A stored password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPassword {
    /// Id of the credential.
    pub id: String,
    pub hash: PasswordHash,
}

/// Inserts a password.
pub fn insert_password(
    connection: &mut AnyConnection,
    user_id: &str,
    hash: &PasswordHash,
    now_ms: i64,
) -> QueryResult<usize> {
    diesel::insert_into(credentials::table)
        .values((
            credentials::id.eq(Uuid::now_v7().to_string()),
            credentials::user_id.eq(user_id),
            credentials::kind.eq(PASSWORD),
            credentials::data.eq(hash.as_str()),
            credentials::created_at.eq(now_ms),
        ))
        .execute(connection)
}

/// Replaces the data of a credential.
pub fn set_data(connection: &mut AnyConnection, id: &str, hash: &PasswordHash) -> QueryResult<()> {
    diesel::update(credentials::table.find(id))
        .set(credentials::data.eq(hash.as_str()))
        .execute(connection)
        .map(drop)
}

/// Replaces a hash by a newer hash of the same password, unless the password has changed since the
/// old hash was read. The user's revision stays, because a login need not notice this change.
pub fn rehash(
    connection: &mut AnyConnection,
    user_id: &str,
    old: &StoredPassword,
    new: &PasswordHash,
) -> QueryResult<()> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        diesel::update(
            credentials::table.find(&old.id).filter(credentials::data.eq(old.hash.as_str())),
        )
        .set(credentials::data.eq(new.as_str()))
        .execute(connection)
        .map(drop)
    })
}

/// Records that these credentials have been used.
pub fn touch(connection: &mut AnyConnection, ids: &[String], now_ms: i64) -> QueryResult<()> {
    diesel::update(credentials::table.filter(credentials::id.eq_any(ids)))
        .set(credentials::last_used_at.eq(now_ms))
        .execute(connection)
        .map(drop)
}
