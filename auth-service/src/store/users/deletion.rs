//! Deletion of accounts: at once, at the end of the grace period of a user who asked for it, or
//! because a new user has not verified the address in time.

use diesel::{dsl::exists, prelude::*};
use shared::claims::SessionId;

use super::change::{advance_revision, delete, delete_unverified};
use crate::{
    domain::session::EndCause,
    store::{
        AnyConnection, one_time_codes,
        outbox::{self, NewMessage},
        schema::{mail_users, sessions},
        sessions as session_rows,
        transaction::in_transaction,
        user_lock::lock_user,
    },
};

/// A user's request to delete the account.
#[derive(Clone, Debug)]
pub struct AccountDeletion {
    pub user_id: String,
    /// Revision of the user when the password was verified or the code was issued.
    pub revision: i64,
    /// MAC of the code, if the user proved the request with one.
    pub mac: Option<String>,
    /// End of the grace period. `None`: the user is deleted at once.
    pub delete_at_ms: Option<i64>,
    /// Mail that tells the user of the deletion.
    pub notice: NewMessage,
    /// Milliseconds since the Unix epoch, like the other times.
    pub at_ms: i64,
}

/// Deletes a user, or begins the grace period, which ends all sessions and voids all codes except
/// those that undo a change of address. Returns the sessions that end, as [`session_rows::end_all`]
/// does. Returns `None` if the code has been used or has expired, or if the user has changed
/// meanwhile.
pub fn request_deletion(
    connection: &mut AnyConnection,
    deletion: &AccountDeletion,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    let AccountDeletion { user_id, revision, mac, delete_at_ms, notice, at_ms } = deletion;
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        if let Some(mac) = mac
            && !one_time_codes::spend(connection, mac, *at_ms)?
        {
            return Ok(None);
        }
        if !advance_revision(connection, user_id, *revision)? {
            return Ok(None);
        }
        outbox::insert(connection, notice)?;
        let Some(delete_at_ms) = delete_at_ms else {
            return delete(connection, user_id, *at_ms).map(Some);
        };
        diesel::update(mail_users::table.find(user_id))
            .set((
                mail_users::delete_at.eq(delete_at_ms),
                mail_users::deletion_requested_at.eq(at_ms),
            ))
            .execute(connection)?;
        one_time_codes::delete_of_user(connection, user_id, None)?;
        let cause = EndCause::DeletionRequested;
        session_rows::end_all(connection, user_id, None, cause, *at_ms).map(Some)
    })
}

/// What a login cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The account was not to be deleted.
    Nothing,
    /// A deletion that the user had asked for.
    OfRequest,
    /// The deletion of an account whose address is not verified.
    OfUnverified,
}

/// Cancels the deletion of a user who has logged in.
pub fn cancel_deletion(connection: &mut AnyConnection, user_id: &str) -> QueryResult<Cancellation> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        let user = || mail_users::table.find(user_id).filter(mail_users::delete_at.is_not_null());
        let requested_at: Option<Option<i64>> =
            user().select(mail_users::deletion_requested_at).first(connection).optional()?;
        diesel::update(user())
            .set((
                mail_users::delete_at.eq(None::<i64>),
                mail_users::deletion_requested_at.eq(None::<i64>),
            ))
            .execute(connection)?;
        Ok(match requested_at {
            None => Cancellation::Nothing,
            Some(None) => Cancellation::OfUnverified,
            Some(Some(_)) => Cancellation::OfRequest,
        })
    })
}

/// Returns up to `limit` users whose accounts are due to be deleted, ordered by id, starting after
/// the id `after`.
pub fn due_deletions(
    connection: &mut AnyConnection,
    now_ms: i64,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<String>> {
    mail_users::table
        .filter(mail_users::delete_at.le(now_ms).and(mail_users::id.gt(after)))
        .order(mail_users::id)
        .select(mail_users::id)
        .limit(limit)
        .load(connection)
}

/// Outcome of [`delete_due`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueOutcome {
    Deleted,
    /// The user has logged in since, so the account is no longer due.
    Cancelled,
    /// The account is not due, or not yet.
    Kept,
}

/// Deletes a user whose account is due. Cancels the deletion instead if the user has a session that
/// began after the request: a replica of the previous version began the session. Without a request,
/// every session cancels the deletion: a user without a verified address could not log in while the
/// setting required one. Keeps a user who asked for the deletion while a change of the address can
/// be undone: a replica of the previous version may have set an earlier time.
pub fn delete_due(
    connection: &mut AnyConnection,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<DueOutcome> {
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        let requested_at: Option<Option<i64>> = mail_users::table
            .find(user_id)
            .filter(mail_users::delete_at.le(now_ms))
            .select(mail_users::deletion_requested_at)
            .first(connection)
            .optional()?;
        let Some(requested_at) = requested_at else { return Ok(DueOutcome::Kept) };
        if has_later_session(connection, user_id, requested_at, now_ms)? {
            cancel_deletion(connection, user_id)?;
            return Ok(DueOutcome::Cancelled);
        }
        if requested_at.is_none() {
            delete_unverified(connection, user_id, now_ms)?;
            return Ok(DueOutcome::Deleted);
        }
        if one_time_codes::undo_until(connection, user_id, now_ms)?.is_some() {
            return Ok(DueOutcome::Kept);
        }
        delete(connection, user_id, now_ms)?;
        Ok(DueOutcome::Deleted)
    })
}

/// Returns whether a session of the user began after the request for the deletion. Sessions that
/// the request ended are earlier, even if the clock of their replica was ahead.
fn has_later_session(
    connection: &mut AnyConnection,
    user_id: &str,
    requested_at: Option<i64>,
    now_ms: i64,
) -> QueryResult<bool> {
    // The request ended all earlier sessions. So a live session is a later one, even if the clock
    // of its replica is behind.
    let is_live = sessions::revoked_at.is_null().and(sessions::expires_at.gt(now_ms));
    let began_later = sessions::created_at.gt(requested_at.unwrap_or(0));
    let cause = sessions::revoked_cause;
    let by_request = EndCause::DeletionRequested.name();
    let later = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(began_later.or(is_live))
        .filter(cause.is_null().or(cause.ne(by_request)));
    diesel::select(exists(later)).get_result(connection)
}
