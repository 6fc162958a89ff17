//! The credentials table: what proves a user.

use diesel::prelude::*;
use uuid::Uuid;

use super::{AnyConnection, in_transaction, schema::credentials, user_lock::lock_user};
use crate::credentials::PasswordHash;

/// The kind of a password.
pub const PASSWORD: &str = "password";

/// A password as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPassword {
    /// Id of the credential.
    pub id: String,
    pub hash: PasswordHash,
}

/// Adds a password.
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

/// Replaces a hash by a newer one of the same password, unless the password has changed since the old hash was read. The user's revision
/// stays: nothing has changed that a login must notice.
pub fn rehash(
    connection: &mut AnyConnection,
    user_id: &str,
    old: &StoredPassword,
    new: &PasswordHash,
) -> QueryResult<()> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        diesel::update(credentials::table.find(&old.id).filter(credentials::data.eq(old.hash.as_str())))
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
