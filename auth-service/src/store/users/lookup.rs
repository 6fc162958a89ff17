//! Finds and inserts users.

use diesel::{
    dsl::{exists, sql},
    prelude::*,
    result::Error as DieselError,
    sql_types::{BigInt, Nullable},
};
use uuid::Uuid;

use crate::{
    credentials::PasswordHash,
    domain::{
        email::Email, fold::NameKeys, login_key::LoginKey, user_claims::UserClaims,
        username::Username,
    },
    store::{
        AnyConnection,
        credentials::{self, StoredPassword},
        one_time_codes,
        schema::{credentials as credentials_table, users},
        transaction::insert_unless_exists,
        user_lock::lock_user,
    },
};

/// A registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: Uuid,
    pub username: String,
    pub email: String,
    /// Names of scopes, separated by spaces.
    pub scope: String,
    /// Names of roles, separated by spaces.
    pub roles: String,
    /// Time since which the user may not log in, in milliseconds since the Unix epoch.
    pub disabled_at_ms: Option<i64>,
    /// Id of the user in the system from which the user was imported.
    pub external_id: Option<String>,
    /// Number of changes that a running login must notice: password, scopes, roles, email,
    /// disabled.
    pub revision: i64,
}

impl User {
    /// Returns what the user's tokens state about the user.
    pub fn claims(&self) -> UserClaims {
        UserClaims {
            sub: self.id.to_string(),
            username: self.username.clone(),
            external_id: self.external_id.clone(),
            scope: self.scope.clone().into(),
            roles: self.roles.split_whitespace().map(Into::into).collect(),
        }
    }
}

/// A user and the stored password, read together.
#[derive(Clone, Debug)]
pub struct UserWithPassword {
    pub user: User,
    pub password: Option<StoredPassword>,
    /// Whether the account is deleted unless the user logs in, or verifies the address, in time.
    pub is_deletion_pending: bool,
    /// Whether the user proved to read the mail of the address.
    pub is_email_verified: bool,
}

/// Id of no user.
pub const NO_USER: &str = "";

/// Which names of a registration another user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub username: bool,
    pub email: bool,
}

/// Outcome of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    Inserted,
    /// Another user has one of the names.
    Taken(Taken),
}

/// A user to insert.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: Uuid,
    pub username: Username,
    pub email: Email,
    pub password_hash: PasswordHash,
    /// Names of scopes and of roles, separated by spaces.
    pub scope: String,
    pub roles: String,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
}

impl NewUser {
    /// Returns the user as the insert leaves it.
    pub fn user(&self) -> User {
        User {
            id: self.id,
            username: self.username.as_str().to_owned(),
            email: self.email.as_str().to_owned(),
            scope: self.scope.clone(),
            roles: self.roles.clone(),
            disabled_at_ms: None,
            external_id: None,
            revision: 0,
        }
    }
}

/// The columns of a [`User`].
#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct UserRow {
    id: String,
    username: String,
    email: String,
    scope: String,
    roles: String,
    disabled_at: Option<i64>,
    external_id: Option<String>,
    revision: i64,
}

impl UserRow {
    pub(super) fn parse(self) -> QueryResult<User> {
        let id = self.id.parse();
        Ok(User {
            id: id.map_err(|why| DieselError::DeserializationError(Box::new(why)))?,
            username: self.username,
            email: self.email,
            scope: self.scope,
            roles: self.roles,
            disabled_at_ms: self.disabled_at,
            external_id: self.external_id,
            revision: self.revision,
        })
    }
}

/// Returns the user with this id.
pub fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<User>> {
    let row = users::table.find(id).select(UserRow::as_select()).first(connection).optional()?;
    row.map(UserRow::parse).transpose()
}

/// As [`find`], and locks the user's row until the transaction ends.
pub fn find_locked(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<User>> {
    lock_user(connection, id)?;
    find(connection, id)
}

/// Returns the user who logs in with this username or email address. Of two users whose names differ
/// for the previous version only, the one whose own spelling it is.
pub fn find_by_login(connection: &mut AnyConnection, key: &LoginKey) -> QueryResult<Option<User>> {
    let query = users::table.select(UserRow::as_select());
    let row = match key {
        LoginKey::Username(NameKeys { key, folded }) => query
            .filter(users::username_key.eq(key).or(users::folded_username.eq(folded)))
            .order(users::username_key.eq(key).desc())
            .first(connection),
        LoginKey::Email(NameKeys { key, folded }) => query
            .filter(users::email_key.eq(key).or(users::folded_email.eq(folded)))
            .order(users::email_key.eq(key).desc())
            .first(connection),
    };
    row.optional()?.map(UserRow::parse).transpose()
}

/// How a user is looked up.
#[derive(Clone, Debug)]
pub enum UserKey {
    Id(String),
    Login(LoginKey),
}

/// Returns a user and the password, read in one query.
pub fn find_with_password(
    connection: &mut AnyConnection,
    by: &UserKey,
) -> QueryResult<Option<UserWithPassword>> {
    let is_password = credentials_table::user_id
        .eq(users::id)
        .and(credentials_table::kind.eq(credentials::PASSWORD));
    let query = users::table.left_join(credentials_table::table.on(is_password)).select((
        UserRow::as_select(),
        credentials_table::id.nullable(),
        credentials_table::data.nullable(),
        // Not columns of the table: see `mail_users`.
        sql::<Nullable<BigInt>>("users.delete_at"),
        sql::<Nullable<BigInt>>("users.email_verified_at"),
    ));
    type JoinedRow = (UserRow, Option<String>, Option<String>, Option<i64>, Option<i64>);
    let row: Option<JoinedRow> = match by {
        UserKey::Id(id) => query.filter(users::id.eq(id)).first(connection).optional()?,
        UserKey::Login(LoginKey::Username(NameKeys { key, folded })) => query
            .filter(users::username_key.eq(key).or(users::folded_username.eq(folded)))
            .order(users::username_key.eq(key).desc())
            .first(connection)
            .optional()?,
        UserKey::Login(LoginKey::Email(NameKeys { key, folded })) => query
            .filter(users::email_key.eq(key).or(users::folded_email.eq(folded)))
            .order(users::email_key.eq(key).desc())
            .first(connection)
            .optional()?,
    };
    let Some((row, id, data, delete_at, verified_at)) = row else { return Ok(None) };
    let password =
        id.zip(data).map(|(id, data)| StoredPassword { id, hash: PasswordHash::from_stored(data) });
    Ok(Some(UserWithPassword {
        user: row.parse()?,
        password,
        is_deletion_pending: delete_at.is_some(),
        is_email_verified: verified_at.is_some(),
    }))
}

/// Returns which of these names another user has.
pub fn taken(
    connection: &mut AnyConnection,
    username: &Username,
    email: &Email,
) -> QueryResult<Taken> {
    Ok(Taken {
        username: is_username_taken(connection, &username.keys(), NO_USER)?,
        email: is_email_taken(connection, &email.keys(), NO_USER)?,
    })
}

/// Returns whether another user than `except` has a username.
pub(super) fn is_username_taken(
    connection: &mut AnyConnection,
    NameKeys { key, folded }: &NameKeys,
    except: &str,
) -> QueryResult<bool> {
    // A user of the previous version may have no folded name yet.
    let has_name = users::username_key.eq_any([key, folded]).or(users::folded_username.eq(folded));
    let others = users::table.filter(has_name).filter(users::id.ne(except));
    diesel::select(exists(others)).get_result(connection)
}

/// Returns whether another user than `except` has an email address.
pub(super) fn is_email_taken(
    connection: &mut AnyConnection,
    NameKeys { key, folded }: &NameKeys,
    except: &str,
) -> QueryResult<bool> {
    // A user of the previous version may have no folded address yet.
    let has_email = users::email_key.eq_any([key, folded]).or(users::folded_email.eq(folded));
    let others = users::table.filter(has_email).filter(users::id.ne(except));
    diesel::select(exists(others)).get_result(connection)
}

/// Inserts a user with a password, unless another user has one of the names.
pub fn insert(connection: &mut AnyConnection, new: &NewUser) -> QueryResult<InsertOutcome> {
    let id = new.id.to_string();
    let username = new.username.keys();
    let email = new.email.keys();
    let insert = diesel::insert_into(users::table).values((
        users::id.eq(&id),
        users::username.eq(new.username.as_str()),
        users::username_key.eq(username.key),
        users::folded_username.eq(username.folded),
        users::email.eq(new.email.as_str()),
        users::email_key.eq(email.key),
        users::folded_email.eq(email.folded),
        users::scope.eq(&new.scope),
        users::roles.eq(&new.roles),
        // Read by the previous version only. A trigger fills the column.
        users::password_hash.eq(""),
        users::created_at.eq(new.created_at_ms),
    ));
    let is_inserted = insert_unless_exists(connection, |connection| {
        insert.execute(connection)?;
        // Read after the insert, because the insert waits for a change that gives the address up.
        if one_time_codes::is_kept_address(connection, &new.email, NO_USER, new.created_at_ms)? {
            return Err(DieselError::RollbackTransaction);
        }
        credentials::insert_password(connection, &id, &new.password_hash, new.created_at_ms)
    })?;
    if is_inserted {
        Ok(InsertOutcome::Inserted)
    } else {
        let mut taken = taken(connection, &new.username, &new.email)?;
        taken.email |=
            one_time_codes::is_kept_address(connection, &new.email, NO_USER, new.created_at_ms)?;
        Ok(InsertOutcome::Taken(taken))
    }
}
