//! Users are found and inserted.

use diesel::{prelude::*, result::Error as DieselError};
use uuid::Uuid;

use crate::{
    credentials::PasswordHash,
    domain::{email::Email, login_key::LoginKey, user_claims::UserClaims, username::Username},
    store::{
        AnyConnection,
        credentials::{self, StoredPassword},
        schema::{credentials as credentials_table, users},
        transaction::insert_unless_exists,
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
}

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
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
}

type Row = (String, String, String, String, String, Option<i64>, i64);

type Columns = (
    users::id,
    users::username,
    users::email,
    users::scope,
    users::roles,
    users::disabled_at,
    users::revision,
);

const COLUMNS: Columns = (
    users::id,
    users::username,
    users::email,
    users::scope,
    users::roles,
    users::disabled_at,
    users::revision,
);

fn user((id, username, email, scope, roles, disabled_at_ms, revision): Row) -> QueryResult<User> {
    let id = id.parse().map_err(|why| DieselError::DeserializationError(Box::new(why)))?;
    Ok(User { id, username, email, scope, roles, disabled_at_ms, revision })
}

/// Returns the user with this id.
pub fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<User>> {
    users::table.find(id).select(COLUMNS).first::<Row>(connection).optional()?.map(user).transpose()
}

/// Returns the user who logs in with this username or email address.
pub fn find_by_login(connection: &mut AnyConnection, key: &LoginKey) -> QueryResult<Option<User>> {
    let query = users::table.select(COLUMNS);
    let row = match key {
        LoginKey::Username(key) => {
            query.filter(users::username_key.eq(key)).first::<Row>(connection)
        }
        LoginKey::Email(key) => query.filter(users::email_key.eq(key)).first::<Row>(connection),
    };
    row.optional()?.map(user).transpose()
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
        COLUMNS,
        credentials_table::id.nullable(),
        credentials_table::data.nullable(),
    ));
    type JoinedRow = (Row, Option<String>, Option<String>);
    let row: Option<JoinedRow> = match by {
        UserKey::Id(id) => query.filter(users::id.eq(id)).first(connection).optional()?,
        UserKey::Login(LoginKey::Username(key)) => {
            query.filter(users::username_key.eq(key)).first(connection).optional()?
        }
        UserKey::Login(LoginKey::Email(key)) => {
            query.filter(users::email_key.eq(key)).first(connection).optional()?
        }
    };
    let Some((row, id, data)) = row else { return Ok(None) };
    let password =
        id.zip(data).map(|(id, data)| StoredPassword { id, hash: PasswordHash::from_stored(data) });
    Ok(Some(UserWithPassword { user: user(row)?, password }))
}

/// Returns which of these names another user has.
pub fn taken(
    connection: &mut AnyConnection,
    username: &Username,
    email: &Email,
) -> QueryResult<Taken> {
    let username_key = username.uniqueness_key();
    let email_key = email.uniqueness_key();
    let found: Vec<(String, String)> = users::table
        .filter(users::username_key.eq(&username_key).or(users::email_key.eq(&email_key)))
        .select((users::username_key, users::email_key))
        .load(connection)?;
    Ok(Taken {
        username: found.iter().any(|(username, _)| *username == username_key),
        email: found.iter().any(|(_, email)| *email == email_key),
    })
}

/// Inserts a user with a password, unless another user has one of the names.
pub fn insert(connection: &mut AnyConnection, new: &NewUser) -> QueryResult<InsertOutcome> {
    let id = new.id.to_string();
    let insert = diesel::insert_into(users::table).values((
        users::id.eq(&id),
        users::username.eq(new.username.as_str()),
        users::username_key.eq(new.username.uniqueness_key()),
        users::email.eq(new.email.as_str()),
        users::email_key.eq(new.email.uniqueness_key()),
        // Read by the previous version only. A trigger fills the column.
        users::password_hash.eq(""),
        users::created_at.eq(new.created_at_ms),
    ));
    let is_inserted = insert_unless_exists(connection, |connection| {
        insert.execute(connection)?;
        credentials::insert_password(connection, &id, &new.password_hash, new.created_at_ms)
    })?;
    if is_inserted {
        Ok(InsertOutcome::Inserted)
    } else {
        taken(connection, &new.username, &new.email).map(InsertOutcome::Taken)
    }
}
