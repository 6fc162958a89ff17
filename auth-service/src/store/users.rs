//! The users table.

use diesel::{
    dsl::{And, Eq, IsNull},
    prelude::*,
    result::Error as DieselError,
};
use shared::claims::SessionId;
use uuid::Uuid;

use super::{AnyConnection, in_transaction, insert_unless_exists, schema::users, sessions};
use crate::{
    credentials::password_hash::PasswordHash,
    domain::{email::Email, session::EndCause, username::Username},
};

/// A registered person.
#[derive(Clone, Debug)]
pub struct User {
    pub id: Uuid,
    pub username: String,
    pub email: String,
    pub password_hash: PasswordHash,
    /// Separated by spaces.
    pub scope: String,
    /// Separated by spaces.
    pub roles: String,
    /// Since when this user may not log in, in milliseconds since the Unix epoch.
    pub disabled_at_ms: Option<i64>,
}

/// What a person logs in with, folded to what makes it unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKey {
    Username(String),
    Email(String),
}

impl LoginKey {
    /// What `name` stands for: an email has an `@`, a username cannot. `None` for what can be nobody's.
    pub fn parse(name: &str) -> Option<Self> {
        if name.contains('@') {
            Email::parse(name).ok().map(|email| Self::Email(email.key()))
        } else {
            Username::parse(name).ok().map(|username| Self::Username(username.key()))
        }
    }
}

/// Which of a registration's names somebody else has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub username: bool,
    pub email: bool,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    Inserted,
    /// Somebody else was faster.
    Taken(Taken),
}

type Row = (String, String, String, String, String, String, Option<i64>);

type Columns = (
    users::id,
    users::username,
    users::email,
    users::password_hash,
    users::scope,
    users::roles,
    users::disabled_at,
);

fn columns() -> Columns {
    (
        users::id,
        users::username,
        users::email,
        users::password_hash,
        users::scope,
        users::roles,
        users::disabled_at,
    )
}

fn user((id, username, email, hash, scope, roles, disabled_at_ms): Row) -> QueryResult<User> {
    let id = id.parse().map_err(|why| DieselError::DeserializationError(Box::new(why)))?;
    let password_hash = PasswordHash::stored(hash);
    Ok(User { id, username, email, password_hash, scope, roles, disabled_at_ms })
}

/// The user of this id.
pub fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<User>> {
    users::table.find(id).select(columns()).first::<Row>(connection).optional()?.map(user).transpose()
}

type HasClaims<'a> = And<Eq<users::scope, &'a str>, Eq<users::roles, &'a str>>;
type AsRead<'a> = And<And<Eq<users::password_hash, &'a str>, IsNull<users::disabled_at>>, HasClaims<'a>>;

/// Whether the user may log in, and still has the password, the scopes and the roles that were read.
pub fn as_read(user: &User) -> AsRead<'_> {
    let has_password = users::password_hash.eq(user.password_hash.as_str());
    has_password.and(users::disabled_at.is_null()).and(has_claims(user))
}

/// Whether the user has the scopes and roles that were read.
fn has_claims(user: &User) -> HasClaims<'_> {
    users::scope.eq(user.scope.as_str()).and(users::roles.eq(user.roles.as_str()))
}

/// The user who logs in with this.
pub fn find_by_login(connection: &mut AnyConnection, key: &LoginKey) -> QueryResult<Option<User>> {
    let query = users::table.select(columns());
    let row = match key {
        LoginKey::Username(key) => query.filter(users::username_key.eq(key)).first::<Row>(connection),
        LoginKey::Email(key) => query.filter(users::email_key.eq(key)).first::<Row>(connection),
    };
    row.optional()?.map(user).transpose()
}

/// Which of these two somebody has already.
pub fn taken(connection: &mut AnyConnection, username: &Username, email: &Email) -> QueryResult<Taken> {
    let (username_key, email_key) = (username.key(), email.key());
    let found: Vec<(String, String)> = users::table
        .filter(users::username_key.eq(&username_key).or(users::email_key.eq(&email_key)))
        .select((users::username_key, users::email_key))
        .load(connection)?;
    Ok(Taken {
        username: found.iter().any(|(username, _)| *username == username_key),
        email: found.iter().any(|(_, email)| *email == email_key),
    })
}

/// Adds a user, unless somebody has one of the names.
pub fn insert(
    connection: &mut AnyConnection,
    id: Uuid,
    username: &Username,
    email: &Email,
    password_hash: &PasswordHash,
    now_ms: i64,
) -> QueryResult<InsertOutcome> {
    let insert = diesel::insert_into(users::table).values((
        users::id.eq(id.to_string()),
        users::username.eq(username.as_str()),
        users::username_key.eq(username.key()),
        users::email.eq(email.as_str()),
        users::email_key.eq(email.key()),
        users::password_hash.eq(password_hash.as_str()),
        users::created_at.eq(now_ms),
    ));
    if insert_unless_exists(connection, |connection| insert.execute(connection))? {
        Ok(InsertOutcome::Inserted)
    } else {
        taken(connection, username, email).map(InsertOutcome::Taken)
    }
}

/// Replaces a hash by a newer one of the same password, unless the password was changed meanwhile.
pub fn replace_hash(
    connection: &mut AnyConnection,
    id: &str,
    old: &PasswordHash,
    new: &PasswordHash,
) -> QueryResult<()> {
    diesel::update(users::table.find(id).filter(users::password_hash.eq(old.as_str())))
        .set(users::password_hash.eq(new.as_str()))
        .execute(connection)
        .map(drop)
}

/// Replaces a password, unless it was changed meanwhile, and ends the user's sessions but `keep`. `None` if it was;
/// else the sessions that end, with the time when each would have ended at the latest.
pub fn change_password(
    connection: &mut AnyConnection,
    id: &str,
    old: &PasswordHash,
    new: &PasswordHash,
    keep: Option<SessionId>,
    now_ms: i64,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    in_transaction(connection, |connection| {
        replace_hash(connection, id, old, new)?;
        let replaced: bool = diesel::select(diesel::dsl::exists(
            users::table.find(id).filter(users::password_hash.eq(new.as_str())),
        ))
        .get_result(connection)?;
        if !replaced {
            return Ok(None);
        }
        sessions::revoke_all(connection, id, keep, EndCause::PasswordChange, now_ms).map(Some)
    })
}

/// Lets a user log in, or no more: then all sessions end. Says which, as [`sessions::revoke_all`] does.
pub fn set_disabled(
    connection: &mut AnyConnection,
    id: &str,
    disabled: bool,
    now_ms: i64,
) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        let since = disabled.then_some(now_ms);
        diesel::update(users::table.find(id)).set(users::disabled_at.eq(since)).execute(connection)?;
        if !disabled {
            return Ok(Vec::new());
        }
        sessions::revoke_all(connection, id, None, EndCause::UserDisabled, now_ms)
    })
}

/// Deletes a user. The sessions end, and are remembered for as long as their tokens live. Says which, as
/// [`sessions::revoke_all`] does.
pub fn delete(connection: &mut AnyConnection, id: &str, now_ms: i64) -> QueryResult<Vec<(SessionId, i64)>> {
    in_transaction(connection, |connection| {
        // No session can begin from here on. SQLite's writers wait for one another anyway.
        if let AnyConnection::Postgres(postgres) = connection {
            users::table.find(id).select(users::id).for_update().execute(postgres)?;
        }
        let ended = sessions::revoke_all(connection, id, None, EndCause::UserDeleted, now_ms)?;
        sessions::disown(connection, id)?;
        diesel::delete(users::table.find(id)).execute(connection)?;
        Ok(ended)
    })
}

/// Replaces a user's scopes and roles, unless they are not those of `was` any more. Says whether it did. The change is
/// marked in the user's sessions afterwards.
pub fn set_claims(
    connection: &mut AnyConnection,
    was: &User,
    scope: &str,
    roles: &str,
    now_ms: i64,
) -> QueryResult<bool> {
    let id = was.id.to_string();
    let last: Option<i64> = users::table.find(&id).select(users::claims_changed_at).first(connection)?;
    // It tells one change from another, whatever the clocks say.
    let changed_at = last.map_or(now_ms, |last| now_ms.max(last + 1));
    diesel::update(users::table.find(&id).filter(has_claims(was)))
        .set((
            users::scope.eq(scope),
            users::roles.eq(roles),
            users::claims_changed_at.eq(changed_at),
            users::claims_marked_at.eq(None::<i64>),
        ))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Up to `limit` users whose scopes or roles have changed, with the time of the change, in the order of their ids from
/// the one after `after`. With `unmarked_only`, those whose sessions are not known to be marked.
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

/// Notes that a user's sessions are marked with this change, unless there was another since.
pub fn set_claims_marked(connection: &mut AnyConnection, id: &str, changed_at_ms: i64) -> QueryResult<()> {
    diesel::update(users::table.find(id).filter(users::claims_changed_at.eq(changed_at_ms)))
        .set(users::claims_marked_at.eq(changed_at_ms))
        .execute(connection)
        .map(drop)
}
