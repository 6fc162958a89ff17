//! Imports and exports of many users at once.

use std::collections::{HashMap, HashSet};

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text},
};
use uuid::Uuid;

use super::{
    AnyConnection, credentials,
    schema::{
        credentials as credentials_table, deleted_users, former_usernames, mail_users,
        one_time_codes, reserved_names, users,
    },
};
use crate::{
    credentials::PasswordHash,
    domain::{
        email::Email, fold::NameKeys, language::Language, name_rules::appearance,
        one_time_code::CodePurpose, username::Username,
    },
};

/// Number of the advisory lock of imports.
const IMPORT_LOCK: i64 = 0x6175_7468_696d_706f;

/// A user to import. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    pub id: Uuid,
    pub external_id: Option<String>,
    pub username: Username,
    pub username_keys: NameKeys,
    pub email: Email,
    pub email_keys: NameKeys,
    pub password_hash: PasswordHash,
    /// Names of scopes and of roles, separated by spaces.
    pub scope: String,
    pub roles: String,
    pub created_at_ms: i64,
    pub disabled_at_ms: Option<i64>,
    pub email_verified_at_ms: Option<i64>,
    pub language: Option<Language>,
}

/// Whether other imports may write at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportLock {
    Shared,
    Exclusive,
}

/// Prepares a transaction of an import: waits for the lock of imports, which ends with the
/// transaction.
pub fn prepare(connection: &mut AnyConnection, lock: ImportLock) -> QueryResult<()> {
    let AnyConnection::Postgres(postgres) = connection else { return Ok(()) };
    let function = match lock {
        ImportLock::Shared => "pg_advisory_xact_lock_shared",
        ImportLock::Exclusive => "pg_advisory_xact_lock",
    };
    // A plan that was made while the table was small would read the whole table for each batch.
    postgres
        .batch_execute(&format!("SELECT {function}({IMPORT_LOCK}); SET LOCAL enable_seqscan = off"))
}

/// Inserts users with their passwords. Leaves out each user one of whose names, or whose external
/// id, another user has. Returns the ids of the inserted users.
pub fn insert(
    connection: &mut AnyConnection,
    users: &[&ImportedUser],
) -> QueryResult<HashSet<String>> {
    match connection {
        AnyConnection::Postgres(postgres) => insert_on_postgres(postgres, users),
        AnyConnection::Sqlite(sqlite) => {
            let mut inserted = HashSet::new();
            for user in users {
                let id = user.id.to_string();
                if insert_on_sqlite(sqlite, user, &id)? {
                    inserted.insert(id);
                }
            }
            Ok(inserted)
        }
    }
}

/// The columns, in the order in which both databases bind them. The previous version reads
/// `password_hash`, from which a trigger fills `credentials`.
const COLUMNS: &str = "id, external_id, username, username_key, folded_username, email, email_key, \
    folded_email, password_hash, scope, roles, created_at, disabled_at, email_verified_at, language";

/// Inserts no row as long as the trigger exists, which has inserted it.
const COPY_PASSWORDS: &str = "INSERT INTO credentials (id, user_id, kind, data, created_at) \
    SELECT id, id, 'password', password_hash, created_at FROM users WHERE NOT EXISTS \
    (SELECT 1 FROM credentials WHERE user_id = users.id AND kind = 'password')";

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Text)]
    id: String,
}

fn insert_on_postgres(
    connection: &mut PgConnection,
    users: &[&ImportedUser],
) -> QueryResult<HashSet<String>> {
    let texts = |text: fn(&ImportedUser) -> &str| -> Vec<&str> {
        users.iter().map(|user| text(user)).collect()
    };
    let times = |time: fn(&ImportedUser) -> Option<i64>| -> Vec<Option<i64>> {
        users.iter().map(|user| time(user)).collect()
    };
    let ids: Vec<String> = users.iter().map(|user| user.id.to_string()).collect();
    let external_ids: Vec<Option<&str>> =
        users.iter().map(|user| user.external_id.as_deref()).collect();
    let created: Vec<i64> = users.iter().map(|user| user.created_at_ms).collect();
    let languages: Vec<Option<&str>> =
        users.iter().map(|user| user.language.map(Language::tag)).collect();
    let rows: Vec<IdRow> = sql_query(format!(
        "INSERT INTO users ({COLUMNS}) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING RETURNING id"
    ))
    .bind::<Array<Text>, _>(&ids)
    .bind::<Array<Nullable<Text>>, _>(external_ids)
    .bind::<Array<Text>, _>(texts(|user| user.username.as_str()))
    .bind::<Array<Text>, _>(texts(|user| &user.username_keys.key))
    .bind::<Array<Text>, _>(texts(|user| &user.username_keys.folded))
    .bind::<Array<Text>, _>(texts(|user| user.email.as_str()))
    .bind::<Array<Text>, _>(texts(|user| &user.email_keys.key))
    .bind::<Array<Text>, _>(texts(|user| &user.email_keys.folded))
    .bind::<Array<Text>, _>(texts(|user| user.password_hash.as_str()))
    .bind::<Array<Text>, _>(texts(|user| &user.scope))
    .bind::<Array<Text>, _>(texts(|user| &user.roles))
    .bind::<Array<BigInt>, _>(created)
    .bind::<Array<Nullable<BigInt>>, _>(times(|user| user.disabled_at_ms))
    .bind::<Array<Nullable<BigInt>>, _>(times(|user| user.email_verified_at_ms))
    .bind::<Array<Nullable<Text>>, _>(languages)
    .load(connection)?;
    let inserted: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    sql_query(format!("{COPY_PASSWORDS} AND id = ANY($1)"))
        .bind::<Array<Text>, _>(&inserted)
        .execute(connection)?;
    Ok(inserted.into_iter().collect())
}

fn insert_on_sqlite(
    connection: &mut SqliteConnection,
    user: &ImportedUser,
    id: &str,
) -> QueryResult<bool> {
    let insert = sql_query(format!(
        "INSERT INTO users ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO NOTHING"
    ))
    .bind::<Text, _>(id)
    .bind::<Nullable<Text>, _>(&user.external_id)
    .bind::<Text, _>(user.username.as_str())
    .bind::<Text, _>(&user.username_keys.key)
    .bind::<Text, _>(&user.username_keys.folded)
    .bind::<Text, _>(user.email.as_str())
    .bind::<Text, _>(&user.email_keys.key)
    .bind::<Text, _>(&user.email_keys.folded)
    .bind::<Text, _>(user.password_hash.as_str())
    .bind::<Text, _>(&user.scope)
    .bind::<Text, _>(&user.roles)
    .bind::<BigInt, _>(user.created_at_ms)
    .bind::<Nullable<BigInt>, _>(user.disabled_at_ms)
    .bind::<Nullable<BigInt>, _>(user.email_verified_at_ms)
    .bind::<Nullable<Text>, _>(user.language.map(Language::tag));
    if insert.execute(connection)? == 0 {
        return Ok(false);
    }
    sql_query(format!("{COPY_PASSWORDS} AND id = ?")).bind::<Text, _>(id).execute(connection)?;
    Ok(true)
}

/// The names and the external id of a stored user.
#[derive(Clone, Debug, Queryable)]
pub struct StoredNames {
    pub username: String,
    pub username_key: String,
    pub folded_username: Option<String>,
    pub email_key: String,
    pub folded_email: Option<String>,
    pub external_id: Option<String>,
}

/// Returns the users who have a name, an address or the external id of one of these users.
pub fn find_conflicting(
    connection: &mut AnyConnection,
    users: &[&ImportedUser],
) -> QueryResult<Vec<StoredNames>> {
    let texts = |text: fn(&ImportedUser) -> &str| -> Vec<&str> {
        users.iter().map(|user| text(user)).collect()
    };
    let external_ids: Vec<&str> =
        users.iter().filter_map(|user| user.external_id.as_deref()).collect();
    let has_name = users::username_key
        .eq_any(texts(|user| &user.username_keys.key))
        .or(users::folded_username.eq_any(texts(|user| &user.username_keys.folded)));
    let has_address = users::email_key
        .eq_any(texts(|user| &user.email_keys.key))
        .or(users::folded_email.eq_any(texts(|user| &user.email_keys.folded)));
    let has_id = users::external_id.eq_any(external_ids);
    users::table
        .filter(has_name.or(has_address).or(has_id))
        .select((
            users::username,
            users::username_key,
            users::folded_username,
            users::email_key,
            users::folded_email,
            users::external_id,
        ))
        .load(connection)
}

/// Returns those of the external ids of these users that stored users have.
pub fn find_known_ids(
    connection: &mut AnyConnection,
    users: &[&ImportedUser],
) -> QueryResult<HashSet<String>> {
    let ids: Vec<&str> = users.iter().filter_map(|user| user.external_id.as_deref()).collect();
    let known: Vec<Option<String>> = users::table
        .filter(users::external_id.eq_any(ids))
        .select(users::external_id)
        .load(connection)?;
    Ok(known.into_iter().flatten().collect())
}

/// Names and addresses that no new user may have: their former owners may come back, the audit trail
/// has events of them, or an operator reserved them.
#[derive(Clone, Debug, Default)]
pub struct KeptNames {
    names: HashSet<String>,
    addresses: HashSet<String>,
    /// What names look like that an operator reserved.
    reserved: HashSet<String>,
}

impl KeptNames {
    /// Returns whether a username with these keys is kept.
    pub fn has_name(&self, keys: &NameKeys) -> bool {
        self.names.contains(&keys.folded) || self.names.contains(&keys.key)
    }

    /// Returns whether an address with these keys is kept.
    pub fn has_address(&self, keys: &NameKeys) -> bool {
        self.addresses.contains(&keys.folded)
    }

    /// Returns whether a username is reserved, or looks like a reserved one.
    pub fn is_reserved(&self, name: &Username) -> bool {
        !self.reserved.is_empty() && self.reserved.contains(&appearance(name.as_str()))
    }
}

/// Returns the names and addresses of these users that are kept, and all reserved names.
pub fn find_kept(
    connection: &mut AnyConnection,
    users: &[&ImportedUser],
    now_ms: i64,
) -> QueryResult<KeptNames> {
    let keys: Vec<&str> = users.iter().map(|user| user.username_keys.key.as_str()).collect();
    let folded: Vec<&str> = users.iter().map(|user| user.username_keys.folded.as_str()).collect();
    let emails: Vec<&str> = users.iter().map(|user| user.email_keys.folded.as_str()).collect();
    let of_deleted: Vec<(String, String)> = deleted_users::table
        .filter(
            deleted_users::username_key
                .eq_any(&keys)
                .or(deleted_users::folded_username.eq_any(&folded)),
        )
        .select((deleted_users::username_key, deleted_users::folded_username))
        .load(connection)?;
    let former: Vec<(String, String)> = former_usernames::table
        .filter(
            former_usernames::username_key
                .eq_any(&keys)
                .or(former_usernames::folded_username.eq_any(&folded)),
        )
        .select((former_usernames::username_key, former_usernames::folded_username))
        .load(connection)?;
    let addresses: Vec<Option<String>> = one_time_codes::table
        .filter(one_time_codes::folded_email.eq_any(&emails))
        .filter(one_time_codes::purpose.eq(CodePurpose::UndoEmailChange.name()))
        .filter(one_time_codes::expires_at.gt(now_ms))
        .select(one_time_codes::folded_email)
        .load(connection)?;
    let reserved: Vec<String> =
        reserved_names::table.select(reserved_names::appearance).load(connection)?;
    let names = of_deleted.into_iter().chain(former).flat_map(|(key, folded)| [key, folded]);
    Ok(KeptNames {
        names: names.collect(),
        addresses: addresses.into_iter().flatten().collect(),
        reserved: reserved.into_iter().collect(),
    })
}

/// A user as an export writes it. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct ExportedUser {
    pub id: String,
    pub external_id: Option<String>,
    pub username: String,
    pub email: String,
    /// Names of scopes and of roles, separated by spaces.
    pub scope: String,
    pub roles: String,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
    pub email_verified_at: Option<i64>,
    pub language: Option<String>,
    /// `None` if the user has none.
    pub password_hash: Option<PasswordHash>,
}

/// Returns up to `limit` users, ordered by id, starting after the id `after`.
pub fn export(
    connection: &mut AnyConnection,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<ExportedUser>> {
    type UserRow =
        (String, Option<String>, String, String, String, String, i64, Option<i64>, Option<String>);
    let is_password = credentials_table::user_id
        .eq(users::id)
        .and(credentials_table::kind.eq(credentials::PASSWORD));
    let rows: Vec<UserRow> = users::table
        .left_join(credentials_table::table.on(is_password))
        .filter(users::id.gt(after))
        .order(users::id)
        .limit(limit)
        .select((
            users::id,
            users::external_id,
            users::username,
            users::email,
            users::scope,
            users::roles,
            users::created_at,
            users::disabled_at,
            credentials_table::data.nullable(),
        ))
        .load(connection)?;
    let Some(last) = rows.last().map(|row| row.0.clone()) else { return Ok(Vec::new()) };
    let mail: Vec<(String, Option<i64>, Option<String>)> = mail_users::table
        .filter(mail_users::id.gt(after).and(mail_users::id.le(last)))
        .select((mail_users::id, mail_users::email_verified_at, mail_users::language))
        .load(connection)?;
    let mut mail: HashMap<_, _> =
        mail.into_iter().map(|(id, verified_at, language)| (id, (verified_at, language))).collect();
    let user = |row: UserRow| {
        let (id, external_id, username, email, scope, roles, created_at, disabled_at, hash) = row;
        let (email_verified_at, language) = mail.remove(&id).unwrap_or_default();
        ExportedUser {
            id,
            external_id,
            username,
            email,
            scope,
            roles,
            created_at,
            disabled_at,
            email_verified_at,
            language,
            password_hash: hash.map(PasswordHash::from_stored),
        }
    };
    Ok(rows.into_iter().map(user).collect())
}
