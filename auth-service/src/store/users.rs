//! The users table.

use diesel::{prelude::*, result::Error as DieselError};
use shared::claims::SessionId;
use uuid::Uuid;

use super::{
    AnyConnection,
    credentials::{self, StoredPassword},
    in_transaction, insert_unless_exists,
    schema::{credentials as credentials_table, users},
    sessions,
    user_lock::lock_user,
};
use crate::{
    credentials::PasswordHash,
    domain::{
        email::Email, login_key::LoginKey, session::EndCause, user_claims::UserClaims, username::Username,
    },
};

/// A registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: Uuid,
    pub username: String,
    pub email: String,
    /// Separated by spaces.
    pub scope: String,
    /// Separated by spaces.
    pub roles: String,
    /// Time since which the user may not log in, in milliseconds since the Unix epoch.
    pub disabled_at_ms: Option<i64>,
    /// Number of changes that a running login must notice: password, scopes, roles, email, disabled.
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

/// A user and the password to verify, read together.
#[derive(Clone, Debug)]
pub struct UserWithPassword {
    pub user: User,
    pub password: Option<StoredPassword>,
}

/// The names of a registration that other users have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub username: bool,
    pub email: bool,
}

/// Outcome of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    Inserted,
    /// Another user has a name.
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

/// Returns the user who logs in with this name.
pub fn find_by_login(connection: &mut AnyConnection, key: &LoginKey) -> QueryResult<Option<User>> {
    let query = users::table.select(COLUMNS);
    let row = match key {
        LoginKey::Username(key) => query.filter(users::username_key.eq(key)).first::<Row>(connection),
        LoginKey::Email(key) => query.filter(users::email_key.eq(key)).first::<Row>(connection),
    };
    row.optional()?.map(user).transpose()
}

/// Whose password is to be read.
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
    let is_password =
        credentials_table::user_id.eq(users::id).and(credentials_table::kind.eq(credentials::PASSWORD));
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
pub fn taken(connection: &mut AnyConnection, username: &Username, email: &Email) -> QueryResult<Taken> {
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

/// Adds a user with a password, unless another user has one of the names.
pub fn insert(connection: &mut AnyConnection, new: &NewUser) -> QueryResult<InsertOutcome> {
    let id = new.id.to_string();
    let insert = diesel::insert_into(users::table).values((
        users::id.eq(&id),
        users::username.eq(new.username.as_str()),
        users::username_key.eq(new.username.uniqueness_key()),
        users::email.eq(new.email.as_str()),
        users::email_key.eq(new.email.uniqueness_key()),
        // The previous version's place of the hash, filled by a trigger.
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

/// Counts a change of a user, unless the user has changed since the revision was read. Returns whether it did.
fn advance_revision(connection: &mut AnyConnection, id: &str, revision: i64) -> QueryResult<bool> {
    diesel::update(users::table.find(id).filter(users::revision.eq(revision)))
        .set(users::revision.eq(users::revision + 1))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// A change of password.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    pub user_id: String,
    /// The revision of the user when the old password was verified.
    pub revision: i64,
    pub credential_id: String,
    pub new_hash: PasswordHash,
    /// The session that stays.
    pub keep: Option<SessionId>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Replaces a password and ends the user's other sessions. Returns the sessions that end, each with the time when it would have
/// ended at the latest, or `None` if the user has changed since the old password was verified.
pub fn change_password(
    connection: &mut AnyConnection,
    change: &PasswordChange,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    let PasswordChange { user_id, revision, credential_id, new_hash, keep, at_ms } = change;
    in_transaction(connection, |connection| {
        if !advance_revision(connection, user_id, *revision)? {
            return Ok(None);
        }
        credentials::set_data(connection, credential_id, new_hash)?;
        let cause = EndCause::PasswordChange;
        sessions::revoke_all(connection, user_id, *keep, cause, *at_ms).map(Some)
    })
}

/// Disables a user, which ends all sessions, or enables one. Returns the sessions that end, as [`sessions::revoke_all`] does.
pub fn set_disabled(
    connection: &mut AnyConnection,
    id: &str,
    disabled: bool,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        let since = disabled.then_some(now_ms);
        diesel::update(users::table.find(id))
            .set((users::disabled_at.eq(since), users::revision.eq(users::revision + 1)))
            .execute(connection)?;
        if !disabled {
            return Ok(Vec::new());
        }
        sessions::revoke_all(connection, id, None, EndCause::UserDisabled, now_ms)
    })
}

/// Deletes a user. The sessions end, and are kept as long as their tokens live. Returns them, as [`sessions::revoke_all`] does.
pub fn delete(connection: &mut AnyConnection, id: &str, now_ms: i64) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        // No session can begin from here on. SQLite's writers wait for one another anyway.
        lock_user(connection, id)?;
        let ended = sessions::revoke_all(connection, id, None, EndCause::UserDeleted, now_ms)?;
        sessions::disown(connection, id)?;
        diesel::delete(users::table.find(id)).execute(connection)?;
        Ok(ended)
    })
}

/// Replaces a user's scopes and roles, unless the user has changed since `was` was read. Returns whether it did. The session state
/// learns of the change afterwards.
pub fn set_claims(
    connection: &mut AnyConnection,
    was: &User,
    scope: &str,
    roles: &str,
    now_ms: i64,
) -> QueryResult<bool> {
    let id = was.id.to_string();
    let last: Option<i64> = users::table.find(&id).select(users::claims_changed_at).first(connection)?;
    // The time tells one change from another, whatever the clocks say.
    let changed_at = last.map_or(now_ms, |last| now_ms.max(last + 1));
    diesel::update(users::table.find(&id).filter(users::revision.eq(was.revision)))
        .set((
            users::scope.eq(scope),
            users::roles.eq(roles),
            users::claims_changed_at.eq(changed_at),
            users::claims_marked_at.eq(None::<i64>),
            users::revision.eq(users::revision + 1),
        ))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Returns up to `limit` users whose scopes or roles have changed, each with the time of the change, in the order of their ids, from the
/// one after `after`. With `unmarked_only`: only users whose sessions are not known to be marked.
pub fn with_changed_claims(
    connection: &mut AnyConnection,
    after: Option<&str>,
    unmarked_only: bool,
    limit: i64,
) -> QueryResult<Vec<(String, i64)>> {
    let mut query = users::table
        .filter(users::claims_changed_at.is_not_null())
        .select((users::id, users::claims_changed_at))
        .order(users::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(users::id.gt(after.to_owned()));
    }
    if unmarked_only {
        query = query.filter(users::claims_marked_at.is_null());
    }
    let rows: Vec<(String, Option<i64>)> = query.load(connection)?;
    Ok(rows.into_iter().filter_map(|(id, changed_at)| Some((id, changed_at?))).collect())
}

/// Records that a user's sessions are marked with this change, unless the user's claims have changed again.
pub fn set_claims_marked(connection: &mut AnyConnection, id: &str, changed_at_ms: i64) -> QueryResult<()> {
    diesel::update(users::table.find(id).filter(users::claims_changed_at.eq(changed_at_ms)))
        .set(users::claims_marked_at.eq(changed_at_ms))
        .execute(connection)
        .map(drop)
}
