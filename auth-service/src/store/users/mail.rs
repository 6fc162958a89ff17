//! What the users table knows about mail to a user, and about the end of the account.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::{
    domain::language::Language,
    store::{AnyConnection, schema::mail_users},
};

/// What is known about mail to a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailState {
    /// Whether the user proved to read the mail of the address.
    pub is_verified: bool,
    pub language: Language,
}

/// Returns what is known about mail to a user.
pub fn mail_state(connection: &mut AnyConnection, id: &str) -> QueryResult<MailState> {
    let row: Option<(Option<i64>, Option<String>)> = mail_users::table
        .find(id)
        .select((mail_users::email_verified_at, mail_users::language))
        .first(connection)
        .optional()?;
    let (verified_at, language) = row.unwrap_or_default();
    let language = language.as_deref().and_then(Language::from_tag).unwrap_or_default();
    Ok(MailState { is_verified: verified_at.is_some(), language })
}

/// Sets the language of mails to a user.
pub fn set_language(
    connection: &mut AnyConnection,
    id: &str,
    language: Language,
) -> QueryResult<()> {
    diesel::update(mail_users::table.find(id))
        .set(mail_users::language.eq(language.tag()))
        .execute(connection)
        .map(drop)
}

/// Records that a user has verified the address, and returns `true`. Cancels a deletion for the
/// lack of this proof. Returns `false`, and changes nothing, if the user has changed since
/// `revision` was read, or has verified the address before.
pub fn set_email_verified(
    connection: &mut AnyConnection,
    id: &str,
    revision: i64,
    at_ms: i64,
) -> QueryResult<bool> {
    let user = mail_users::table.find(id).filter(mail_users::revision.eq(revision));
    diesel::update(user.filter(mail_users::email_verified_at.is_null()))
        .set(mail_users::email_verified_at.eq(at_ms))
        .execute(connection)
        .and_then(|changed| {
            if changed > 0 {
                keep_account(connection, id)?;
            }
            Ok(changed > 0)
        })
}

/// As [`set_email_verified`], without a check of the revision. For a transaction that holds the
/// user's lock, or an operator who knows the user.
pub fn prove_email(connection: &mut AnyConnection, id: &str, at_ms: i64) -> QueryResult<bool> {
    keep_account(connection, id)?;
    let unverified = mail_users::table.find(id).filter(mail_users::email_verified_at.is_null());
    diesel::update(unverified)
        .set(mail_users::email_verified_at.eq(at_ms))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Removes the time at which an account is deleted, unless its user asked for the deletion.
fn keep_account(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    let user = mail_users::table.find(id).filter(mail_users::deletion_requested_at.is_null());
    diesel::update(user).set(mail_users::delete_at.eq(None::<i64>)).execute(connection).map(drop)
}

/// Sets the time at which an account is deleted.
pub fn set_delete_at(connection: &mut AnyConnection, id: &str, at_ms: i64) -> QueryResult<()> {
    diesel::update(mail_users::table.find(id))
        .set(mail_users::delete_at.eq(at_ms))
        .execute(connection)
        .map(drop)
}

/// State of an account. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    pub created_at_ms: i64,
    pub email_verified_at_ms: Option<i64>,
    /// When the account is deleted.
    pub delete_at_ms: Option<i64>,
}

/// Returns the states of these users.
pub fn account_states(
    connection: &mut AnyConnection,
    ids: &[String],
) -> QueryResult<HashMap<String, AccountState>> {
    type Row = (String, i64, Option<i64>, Option<i64>);
    let rows: Vec<Row> = mail_users::table
        .filter(mail_users::id.eq_any(ids))
        .select((
            mail_users::id,
            mail_users::created_at,
            mail_users::email_verified_at,
            mail_users::delete_at,
        ))
        .load(connection)?;
    let state = |(id, created_at_ms, email_verified_at_ms, delete_at_ms): Row| {
        (id, AccountState { created_at_ms, email_verified_at_ms, delete_at_ms })
    };
    Ok(rows.into_iter().map(state).collect())
}
