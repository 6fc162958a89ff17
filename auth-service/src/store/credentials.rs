//! The credentials table: what proves a user's identity.

use std::collections::BTreeMap;

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
    match connection {
        AnyConnection::Postgres(postgres) => hash_forms_on_postgres(postgres, after, limit),
        AnyConnection::Sqlite(_) => {
            let stored: Vec<(String, String)> = credentials::table
                .filter(credentials::kind.eq(PASSWORD).and(credentials::id.gt(after)))
                .order(credentials::id)
                .limit(limit)
                .select((credentials::id, credentials::data))
                .load(connection)?;
            Ok(count_forms(stored))
        }
    }
}

/// Counts in the database, so that no hash crosses the network.
fn hash_forms_on_postgres(
    connection: &mut PgConnection,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<HashForm>> {
    let part = |number: u8| format!("split_part(data, '$', {number}) || '$'");
    let parts = |numbers: &[u8]| numbers.iter().map(|n| part(*n)).collect::<Vec<_>>().join(" || ");
    let query = sql_query(format!(
        "SELECT form, COUNT(*) AS count, MAX(id) AS last_id FROM (SELECT id, CASE \
         WHEN data LIKE 'pbkdf2\\_sha%$%' THEN {pbkdf2} \
         WHEN data LIKE 'bcrypt%$$2%' THEN substr(data, 1, strpos(data, '$2') + 6) \
         WHEN data LIKE '$2%' THEN substr(data, 1, 7) \
         WHEN data LIKE 'argon2$argon2%' THEN {argon2} \
         WHEN data LIKE '$argon2%' THEN {argon2_phc} \
         WHEN data LIKE 'scrypt$%' THEN {scrypt} \
         WHEN data LIKE '$scrypt$%' THEN {scrypt_phc} \
         ELSE '' END AS form FROM credentials \
         WHERE kind = 'password' AND id > $1 ORDER BY id LIMIT {limit}) AS forms GROUP BY form",
        pbkdf2 = parts(&[1, 2]),
        argon2 = parts(&[1, 2, 3, 4]),
        argon2_phc = parts(&[1, 2, 3, 4]),
        // The third part is the salt.
        scrypt = parts(&[1, 2]) + " || '$' || " + &parts(&[4, 5]),
        scrypt_phc = parts(&[1, 2, 3]),
    ));
    query.bind::<Text, _>(after).load(connection)
}

fn count_forms(stored: Vec<(String, String)>) -> Vec<HashForm> {
    let mut forms: BTreeMap<String, HashForm> = BTreeMap::new();
    for (id, data) in stored {
        let form = PasswordHash::from_stored(data).form();
        let new = || HashForm { form: form.clone(), count: 0, last_id: String::new() };
        let counted = forms.entry(form.clone()).or_insert_with(new);
        counted.count += 1;
        counted.last_id = id;
    }
    forms.into_values().collect()
}

/// Records that these credentials have been used.
pub fn touch(connection: &mut AnyConnection, ids: &[String], now_ms: i64) -> QueryResult<()> {
    diesel::update(credentials::table.filter(credentials::id.eq_any(ids)))
        .set(credentials::last_used_at.eq(now_ms))
        .execute(connection)
        .map(drop)
}
