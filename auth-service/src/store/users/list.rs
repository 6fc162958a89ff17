//! Lists users.

use std::collections::HashMap;

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{Bool, Integer, Text},
};

use super::lookup::{User, UserRow};
use crate::{
    domain::fold::fold,
    store::{
        AnyConnection,
        schema::{deleted_users, users},
    },
};

diesel::define_sql_function! {
    /// Replaces every occurrence of a text. Unlike LIKE, it compares characters exactly, on both
    /// databases.
    fn replace(text: Text, old: Text, new: Text) -> Text;
}

diesel::define_sql_function! {
    /// Returns characters of a text, on both databases.
    fn substr(text: Text, first: Integer, count: Integer) -> Text;
}

/// Conditions that users must meet. `None`: any value.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Part of the username or of the email address.
    pub name: Option<String>,
    /// Start of the username or of the email address.
    pub start: Option<String>,
    pub role: Option<String>,
    pub scope: Option<String>,
    pub is_disabled: Option<bool>,
    /// Whether the user has verified the address.
    pub is_verified: Option<bool>,
    /// Earliest time of the creation, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
}

/// Returns up to `limit` users who meet the filter, ordered by id (the time of their creation),
/// starting after the id `after`.
pub fn list(
    connection: &mut AnyConnection,
    filter: &UserFilter,
    after: Option<&str>,
    limit: i64,
) -> QueryResult<Vec<User>> {
    let mut query =
        users::table.select(UserRow::as_select()).order(users::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(users::id.gt(after.to_owned()));
    }
    if let Some(name) = &filter.name {
        let part = fold(name);
        let in_username = replace(users::username_key, part.clone(), "").ne(users::username_key);
        let in_email = replace(users::email_key, part, "").ne(users::email_key);
        query = query.filter(in_username.or(in_email));
    }
    if let Some(start) = &filter.start {
        let start = fold(start);
        let count = i32::try_from(start.chars().count()).unwrap_or(i32::MAX);
        let of_username = substr(users::username_key, 1, count).eq(start.clone());
        let of_email = substr(users::email_key, 1, count).eq(start);
        query = query.filter(of_username.or(of_email));
    }
    if let Some(role) = &filter.role {
        let names = " ".into_sql::<Text>().concat(users::roles).concat(" ");
        query = query.filter(replace(names, format!(" {role} "), "").ne(names));
    }
    if let Some(scope) = &filter.scope {
        let names = " ".into_sql::<Text>().concat(users::scope).concat(" ");
        query = query.filter(replace(names, format!(" {scope} "), "").ne(names));
    }
    query = match filter.is_disabled {
        Some(true) => query.filter(users::disabled_at.is_not_null()),
        Some(false) => query.filter(users::disabled_at.is_null()),
        None => query,
    };
    // The column is not among those of `users`, which has as many as diesel allows.
    query = match filter.is_verified {
        Some(true) => query.filter(sql::<Bool>("users.email_verified_at IS NOT NULL")),
        Some(false) => query.filter(sql::<Bool>("users.email_verified_at IS NULL")),
        None => query,
    };
    if let Some(since) = filter.since_ms {
        query = query.filter(users::created_at.ge(since));
    }
    let rows: Vec<UserRow> = query.load(connection)?;
    rows.into_iter().map(UserRow::parse).collect()
}

/// Returns the usernames of these ids, of deleted users too.
pub fn names(
    connection: &mut AnyConnection,
    ids: &[String],
) -> QueryResult<HashMap<String, String>> {
    let of_deleted = deleted_users::table
        .filter(deleted_users::id.eq_any(ids))
        .select((deleted_users::id, deleted_users::username));
    let of_users = users::table.filter(users::id.eq_any(ids)).select((users::id, users::username));
    let mut names: HashMap<String, String> =
        of_deleted.load::<(String, String)>(connection)?.into_iter().collect();
    names.extend(of_users.load::<(String, String)>(connection)?);
    Ok(names)
}
