//! The one_time_codes table. It holds a MAC of each code, not the code.

use diesel::prelude::*;

use super::{
    AnyConnection,
    schema::{one_time_codes, users},
    transaction::in_transaction,
    user_lock::lock_user,
};
use crate::domain::{email::Email, one_time_code::CodePurpose};

/// A code to insert. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct NewCode {
    pub mac: String,
    pub user_id: String,
    pub purpose: CodePurpose,
    /// Revision of the user for which the code is valid.
    pub revision: i64,
    pub created_at_ms: i64,
    pub expires_at_ms: i64,
    /// The address to which the code is mailed, so that its use proves the address. `None` if the
    /// code is printed for an operator.
    pub email: Option<Email>,
}

/// A code that has been neither used nor expired.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct StoredCode {
    pub mac: String,
    pub user_id: String,
    pub revision: i64,
    /// The address to which the code was mailed. `None` if it was printed, or is of an earlier
    /// version.
    pub email: Option<String>,
}

/// Locks a user until the end of the transaction, so that codes are counted and inserted one after
/// the other.
pub fn lock(connection: &mut AnyConnection, user_id: &str) -> QueryResult<()> {
    lock_user(connection, user_id)
}

/// Inserts a code, and deletes the user's earlier codes for the same purpose.
pub fn replace(connection: &mut AnyConnection, new: &NewCode) -> QueryResult<()> {
    in_transaction(connection, |connection| {
        let earlier = one_time_codes::table
            .filter(one_time_codes::user_id.eq(&new.user_id))
            .filter(one_time_codes::purpose.eq(new.purpose.name()));
        diesel::delete(earlier).execute(connection)?;
        insert(connection, new)
    })
}

/// Inserts a code besides the user's earlier codes.
pub fn insert(connection: &mut AnyConnection, new: &NewCode) -> QueryResult<()> {
    diesel::insert_into(one_time_codes::table)
        .values((
            one_time_codes::mac.eq(&new.mac),
            one_time_codes::user_id.eq(&new.user_id),
            one_time_codes::purpose.eq(new.purpose.name()),
            one_time_codes::email.eq(new.email.as_ref().map(Email::as_str)),
            one_time_codes::folded_email.eq(new.email.as_ref().map(|email| email.keys().folded)),
            one_time_codes::revision.eq(new.revision),
            one_time_codes::created_at.eq(new.created_at_ms),
            one_time_codes::expires_at.eq(new.expires_at_ms),
        ))
        .execute(connection)
        .map(drop)
}

/// Returns the code that has one of these MACs, one for each secret in use, and has not expired.
pub fn find(
    connection: &mut AnyConnection,
    macs: &[String],
    now_ms: i64,
) -> QueryResult<Option<StoredCode>> {
    one_time_codes::table
        .filter(one_time_codes::mac.eq_any(macs))
        .filter(one_time_codes::expires_at.gt(now_ms))
        .select((
            one_time_codes::mac,
            one_time_codes::user_id,
            one_time_codes::revision,
            one_time_codes::email,
        ))
        .first(connection)
        .optional()
}

/// Spends a code. Returns whether the code was there and had not expired: of several calls at once,
/// exactly one returns `true`.
pub fn spend(connection: &mut AnyConnection, mac: &str, now_ms: i64) -> QueryResult<bool> {
    let code = one_time_codes::table.find(mac).filter(one_time_codes::expires_at.gt(now_ms));
    diesel::delete(code).execute(connection).map(|deleted| deleted > 0)
}

/// Returns whether an address is kept for its former owner, who has a code that undoes the change
/// of the address. The user `except` may take the address back.
pub fn is_kept_address(
    connection: &mut AnyConnection,
    email: &Email,
    except: &str,
    now_ms: i64,
) -> QueryResult<bool> {
    let kept = one_time_codes::table
        .filter(one_time_codes::folded_email.eq(email.keys().folded))
        .filter(one_time_codes::purpose.eq(CodePurpose::UndoEmailChange.name()))
        .filter(one_time_codes::expires_at.gt(now_ms))
        .filter(one_time_codes::user_id.ne(except));
    diesel::select(diesel::dsl::exists(kept)).get_result(connection)
}

/// Returns the end of the last code with which a change of the user's address can be undone.
pub fn undo_until(
    connection: &mut AnyConnection,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<Option<i64>> {
    one_time_codes::table
        .filter(one_time_codes::user_id.eq(user_id))
        .filter(one_time_codes::purpose.eq(CodePurpose::UndoEmailChange.name()))
        .filter(one_time_codes::expires_at.gt(now_ms))
        .select(diesel::dsl::max(one_time_codes::expires_at))
        .first(connection)
}

/// Returns the revision of a user after the change from this address to another, if the change can
/// still be undone. The first of several changes counts.
pub(super) fn left_at(
    connection: &mut AnyConnection,
    email: &Email,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<Option<i64>> {
    one_time_codes::table
        .filter(one_time_codes::user_id.eq(user_id))
        .filter(one_time_codes::folded_email.eq(email.keys().folded))
        .filter(one_time_codes::purpose.eq(CodePurpose::UndoEmailChange.name()))
        .filter(one_time_codes::expires_at.gt(now_ms))
        .select(diesel::dsl::min(one_time_codes::revision))
        .first(connection)
}

/// Deletes a user's codes. Codes that undo a change of address stay if the change is earlier than
/// the revision `undo_since`. `None`: all of these stay.
pub(super) fn delete_of_user(
    connection: &mut AnyConnection,
    user_id: &str,
    undo_since: Option<i64>,
) -> QueryResult<()> {
    let undo = CodePurpose::UndoEmailChange.name();
    let of_user = one_time_codes::table.filter(one_time_codes::user_id.eq(user_id));
    let is_voided = one_time_codes::purpose
        .ne(undo)
        .or(one_time_codes::revision.ge(undo_since.unwrap_or(i64::MAX)));
    diesel::delete(of_user.filter(is_voided)).execute(connection).map(drop)
}

/// Keeps a user's codes valid beyond a change that does not concern them, which has just advanced
/// the revision of the user by one.
pub(super) fn carry_over(connection: &mut AnyConnection, user_id: &str) -> QueryResult<()> {
    let revision = users::table.find(user_id).select(users::revision).first(connection);
    let revision: i64 = revision.optional()?.unwrap_or_default();
    let codes = one_time_codes::table
        .filter(one_time_codes::user_id.eq(user_id))
        .filter(one_time_codes::revision.eq(revision - 1));
    diesel::update(codes).set(one_time_codes::revision.eq(revision)).execute(connection).map(drop)
}

/// Deletes up to `limit` codes that expired before `than_ms`.
pub fn delete_expired(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let expired: Vec<String> = one_time_codes::table
        .filter(one_time_codes::expires_at.lt(than_ms))
        .select(one_time_codes::mac)
        .limit(limit)
        .load(connection)?;
    diesel::delete(one_time_codes::table.filter(one_time_codes::mac.eq_any(expired)))
        .execute(connection)
}
