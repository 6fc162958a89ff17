//! Changes of the email address, and their undoing by the owner of the former address.

use diesel::prelude::*;
use shared::claims::SessionId;

use super::lookup::is_email_taken;
use crate::{
    credentials::PasswordHash,
    domain::{email::Email, fold::fold, session::EndCause},
    store::{
        AnyConnection, credentials,
        one_time_codes::{self, NewCode},
        outbox::{self, NewMessage},
        schema::{mail_users, users},
        sessions,
        transaction::{in_transaction, insert_unless_exists},
        user_lock::lock_user,
    },
};

/// A change of address that a user confirms with a code.
#[derive(Clone, Debug)]
pub struct EmailChange {
    pub user_id: String,
    /// MAC of the code.
    pub mac: String,
    /// Revision of the user for which the code is valid.
    pub revision: i64,
    pub next: Email,
    /// Mail to the new address.
    pub notice: NewMessage,
    /// `None` if the former address is another spelling of the next one, or cannot receive mail.
    pub former: Option<FormerAddress>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What the former address gets.
#[derive(Clone, Debug)]
pub struct FormerAddress {
    /// Code that undoes the change.
    pub undo: NewCode,
    /// Mail with the code.
    pub undo_notice: NewMessage,
    /// Mail without a code.
    pub notice: NewMessage,
}

/// The undoing of a change of address.
#[derive(Clone, Debug)]
pub struct EmailUndo {
    pub user_id: String,
    /// MAC of the code.
    pub mac: String,
    /// Revision of the user after the change that is undone.
    pub revision: i64,
    /// The former address, in the spelling that the user had.
    pub former: String,
    /// Code with which the owner of the address sets a password. Its revision is replaced by the
    /// user's new revision.
    pub reset: NewCode,
    /// Mail with the code.
    pub mail: NewMessage,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Returns whether a user can take an address: no other user has it, and it is not kept for a
/// former owner.
pub fn is_email_available(
    connection: &mut AnyConnection,
    email: &Email,
    user_id: &str,
    now_ms: i64,
) -> QueryResult<bool> {
    Ok(!is_email_taken(connection, &email.keys(), user_id)?
        && !one_time_codes::is_kept_address(connection, email, user_id, now_ms)?)
}

/// Spends a code and sets the address that it is for, verified. All other codes of the user become
/// void, except those that undo earlier changes. The former address gets a code that undoes the
/// change, unless the user returns to an address that the user had before: a thief may have changed
/// the address meanwhile, and must get no such code. Returns `false`, and changes no address, if
/// the code has been used or has expired, if the user has changed since it was issued, or if the
/// address is taken.
pub fn change_email(connection: &mut AnyConnection, change: &EmailChange) -> QueryResult<bool> {
    let EmailChange { user_id, mac, revision, next, notice, former, at_ms } = change;
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        if !one_time_codes::spend(connection, mac, *at_ms)? {
            return Ok(false);
        }
        let keys = next.keys();
        let is_changed = insert_unless_exists(connection, |connection| {
            let user = users::table.find(user_id).filter(users::revision.eq(revision));
            let changed = diesel::update(user)
                .set((
                    users::email.eq(next.as_str()),
                    users::email_key.eq(&keys.key),
                    users::folded_email.eq(&keys.folded),
                    users::revision.eq(users::revision + 1),
                ))
                .execute(connection)?;
            // Read after the update, because the update waits for a change that gives the address
            // up.
            if changed == 0 || !is_email_available(connection, next, user_id, *at_ms)? {
                return Err(diesel::result::Error::RollbackTransaction);
            }
            Ok(changed)
        })?;
        if !is_changed {
            // The code is of no more use, so it stays deleted.
            return Ok(false);
        }
        set_verified(connection, user_id, *at_ms)?;
        let left_at = one_time_codes::left_at(connection, next, user_id, *at_ms)?;
        one_time_codes::delete_of_user(connection, user_id, left_at)?;
        outbox::insert(connection, notice)?;
        match (former, left_at) {
            (None, _) => {}
            (Some(former), Some(_)) => {
                outbox::insert(connection, &former.notice)?;
            }
            (Some(former), None) => {
                let revision = revision + 1;
                one_time_codes::insert(connection, &NewCode { revision, ..former.undo.clone() })?;
                outbox::insert(connection, &former.undo_notice)?;
            }
        }
        Ok(true)
    })
}

/// Spends a code and sets the former address, verified. Voids the password, ends all sessions, and
/// cancels a deletion, because a thief may have asked for it. All other codes of the user become
/// void, except those that undo earlier changes: the earliest of several former owners takes the
/// account back. Returns the sessions that end, as [`sessions::end_all`] does. Returns `None` if
/// the code has been used or has expired.
pub fn undo_email_change(
    connection: &mut AnyConnection,
    undo: &EmailUndo,
) -> QueryResult<Option<Vec<(SessionId, i64)>>> {
    let EmailUndo { user_id, mac, revision, former, reset, mail, at_ms } = undo;
    in_transaction(connection, |connection| {
        lock_user(connection, user_id)?;
        if !one_time_codes::spend(connection, mac, *at_ms)? {
            return Ok(None);
        }
        let keys = Email::parse(former).map(|email| email.keys()).ok();
        let (key, folded) = match keys {
            Some(keys) => (keys.key, keys.folded),
            None => (fold(former), fold(former)),
        };
        let is_restored = insert_unless_exists(connection, |connection| {
            diesel::update(users::table.find(user_id))
                .set((
                    users::email.eq(former),
                    users::email_key.eq(key),
                    users::folded_email.eq(folded),
                    users::revision.eq(users::revision + 1),
                ))
                .execute(connection)
        })?;
        if !is_restored {
            // The previous version, which does not keep the address, gave it to another user.
            return Ok(None);
        }
        set_verified(connection, user_id, *at_ms)?;
        credentials::set_password(connection, user_id, &PasswordHash::unusable(), *at_ms)?;
        one_time_codes::delete_of_user(connection, user_id, Some(*revision))?;
        let revision = users::table.find(user_id).select(users::revision).first(connection)?;
        one_time_codes::replace(connection, &NewCode { revision, ..reset.clone() })?;
        outbox::insert(connection, mail)?;
        let cause = EndCause::EmailChangeUndone;
        sessions::end_all(connection, user_id, None, cause, *at_ms).map(Some)
    })
}

/// Records that the user has just verified the address. Cancels a deletion: the address is verified
/// now, and a thief may have asked for the deletion.
fn set_verified(connection: &mut AnyConnection, user_id: &str, at_ms: i64) -> QueryResult<()> {
    diesel::update(mail_users::table.find(user_id))
        .set((
            mail_users::email_verified_at.eq(at_ms),
            mail_users::delete_at.eq(None::<i64>),
            mail_users::deletion_requested_at.eq(None::<i64>),
        ))
        .execute(connection)
        .map(drop)
}
