//! Resets of passwords: an operator voids a password, and the user sets a new one with a code.

use diesel::prelude::*;
use shared::claims::SessionId;

use super::{change::advance_present_revision, lookup::NO_USER};
use crate::{
    credentials::PasswordHash,
    domain::session::EndCause,
    store::{
        AnyConnection, credentials,
        one_time_codes::{self, NewCode},
        outbox::{self, NewMessage},
        schema::{mail_users, users},
        sessions,
        transaction::in_transaction,
        user_lock::lock_user,
    },
};

/// A new password that a user sets with a code.
#[derive(Clone, Debug)]
pub struct PasswordReset {
    pub user_id: String,
    /// Revision of the user for which the code is valid.
    pub revision: i64,
    /// MAC of the code.
    pub mac: String,
    pub new_hash: PasswordHash,
    /// Whether the code was mailed, so that its use proves the address.
    pub proves_email: bool,
    /// Mail that tells the user of the change.
    pub notice: Option<NewMessage>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A password that was set with a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfterPasswordReset {
    /// The sessions that end, as [`sessions::end_all`] returns them.
    pub ended: Vec<(SessionId, i64)>,
    /// Whether the reset verified the address.
    pub is_newly_verified: bool,
}

/// Voids a user's password, ends all sessions, and inserts a code with which the user sets a new
/// password. The revision of `code` is replaced by the user's new revision. Returns the sessions
/// that end, as [`sessions::end_all`] does. Returns `None` if the user does not exist.
pub fn void_password(
    connection: &mut AnyConnection,
    code: &NewCode,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    in_transaction(connection, |connection| {
        let user_id = &code.user_id;
        if !advance_present_revision(connection, user_id)? {
            return Ok(None);
        }
        let revision = users::table.find(user_id).select(users::revision).first(connection)?;
        let now_ms = code.created_at_ms;
        credentials::set_password(connection, user_id, &PasswordHash::unusable(), now_ms)?;
        one_time_codes::replace(connection, &NewCode { revision, ..code.clone() })?;
        sessions::end_all(connection, user_id, None, EndCause::PasswordReset, now_ms).map(Some)
    })
}

/// Voids the password of a user who has not verified the address, and advances the revision.
/// Sessions continue and codes stay valid. Returns whether it did. Does the same work for a user
/// who has verified the address, so that the time does not reveal which is the case.
pub fn void_unproved_password(connection: &mut AnyConnection, user_id: &str) -> QueryResult<bool> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        let unverified =
            mail_users::table.find(user_id).filter(mail_users::email_verified_at.is_null());
        let is_unproved = diesel::update(unverified)
            .set(mail_users::revision.eq(mail_users::revision + 1))
            .execute(connection)?
            > 0;
        let id = if is_unproved { user_id } else { NO_USER };
        credentials::void_password(connection, id)?;
        one_time_codes::carry_over(connection, id)?;
        Ok(is_unproved)
    })
}

/// Spends a code: sets the password, ends all sessions, and voids the user's other codes. Codes
/// that undo a change of address stay, because a thief may have changed the address. A mailed code
/// verifies the address. Returns `None`, and sets no password, if the code has been used or has
/// expired, or if the user has changed since the code was issued.
pub fn reset_password(
    connection: &mut AnyConnection,
    reset: &PasswordReset,
) -> QueryResult<Option<AfterPasswordReset>> {
    let PasswordReset { user_id, revision, mac, new_hash, proves_email, notice, at_ms } = reset;
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        if !one_time_codes::spend(connection, mac, *at_ms)? {
            return Ok(None);
        }
        if !super::change::advance_revision(connection, user_id, *revision)? {
            // The code is of no more use, so it stays deleted.
            return Ok(None);
        }
        credentials::set_password(connection, user_id, new_hash, *at_ms)?;
        if let Some(notice) = notice {
            outbox::insert(connection, notice)?;
        }
        one_time_codes::delete_of_user(connection, user_id, None)?;
        let is_newly_verified =
            *proves_email && super::mail::prove_email(connection, user_id, *at_ms)?;
        let cause = EndCause::PasswordChange;
        let ended = sessions::end_all(connection, user_id, None, cause, *at_ms)?;
        Ok(Some(AfterPasswordReset { ended, is_newly_verified }))
    })
}

/// Sets a password that an operator chose, ends all sessions, and voids the user's codes, except
/// those that undo a change of address. Returns the sessions that end, as [`sessions::end_all`]
/// does. Returns `None` if the user does not exist.
pub fn set_password(
    connection: &mut AnyConnection,
    user_id: &str,
    hash: &PasswordHash,
    at_ms: i64,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    in_transaction(connection, |connection| {
        if !advance_present_revision(connection, user_id)? {
            return Ok(None);
        }
        credentials::set_password(connection, user_id, hash, at_ms)?;
        one_time_codes::delete_of_user(connection, user_id, None)?;
        let cause = EndCause::PasswordChange;
        sessions::end_all(connection, user_id, None, cause, at_ms).map(Some)
    })
}
