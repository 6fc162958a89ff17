//! The credentials table: what proves a user's identity.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
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

/// Sets a user's password, whether the user has one or not.
pub fn set_password(
    connection: &mut AnyConnection,
    user_id: &str,
    hash: &PasswordHash,
    now_ms: i64,
) -> QueryResult<()> {
    let password = credentials::table
        .filter(credentials::user_id.eq(user_id))
        .filter(credentials::kind.eq(PASSWORD));
    let replaced =
        diesel::update(password).set(credentials::data.eq(hash.as_str())).execute(connection)?;
    if replaced == 0 {
        insert_password(connection, user_id, hash, now_ms)?;
    }
    Ok(())
}

/// Makes a user's password unusable, if the user has one.
pub fn void_password(connection: &mut AnyConnection, user_id: &str) -> QueryResult<()> {
    let password = credentials::table
        .filter(credentials::user_id.eq(user_id))
        .filter(credentials::kind.eq(PASSWORD));
    diesel::update(password)
        .set(credentials::data.eq(PasswordHash::unusable().as_str()))
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

/// Number of stored password hashes that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct HashForm {
    /// The start of the hashes: algorithm and cost. Empty for text that is no hash.
    #[diesel(sql_type = Text)]
    pub form: String,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    /// The highest id of these credentials.
    #[diesel(sql_type = Text)]
    pub last_id: String,
}

/// Counts the password hashes of the first `limit` credentials after the id `after`, by algorithm
/// and cost. Returns no rows once no credential is left.
pub fn hash_forms(
    connection: &mut AnyConnection,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<HashForm>> {
    // The functions that search in a text have other names in the other database.
    let (iterations, position) = match connection {
        AnyConnection::Postgres(_) => ("split_part(data, '$', 2)", "strpos(data, '$2')"),
        AnyConnection::Sqlite(_) => {
            ("substr(data, 15, instr(substr(data, 15) || '$', '$') - 1)", "instr(data, '$2')")
        }
    };
    let query = sql_query(format!(
        "SELECT form, COUNT(*) AS count, MAX(id) AS last_id FROM (SELECT id, CASE \
         WHEN data LIKE 'pbkdf2_sha256$%' THEN 'pbkdf2_sha256$' || {iterations} || '$' \
         WHEN data LIKE 'bcrypt%$$2%' THEN substr(data, 1, {position} + 6) \
         WHEN data LIKE '$2%' THEN substr(data, 1, 7) ELSE '' END AS form FROM credentials \
         WHERE kind = 'password' AND id > {} ORDER BY id LIMIT {limit}) AS forms GROUP BY form",
        match connection {
            AnyConnection::Postgres(_) => "$1",
            AnyConnection::Sqlite(_) => "?",
        }
    ));
    let query = query.bind::<Text, _>(after);
    match connection {
        AnyConnection::Postgres(postgres) => query.load(postgres),
        AnyConnection::Sqlite(sqlite) => query.load(sqlite),
    }
}

/// Records that these credentials have been used.
pub fn touch(connection: &mut AnyConnection, ids: &[String], now_ms: i64) -> QueryResult<()> {
    diesel::update(credentials::table.filter(credentials::id.eq_any(ids)))
        .set(credentials::last_used_at.eq(now_ms))
        .execute(connection)
        .map(drop)
}
