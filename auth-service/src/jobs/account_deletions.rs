//! Deletes the accounts that are due.

use shared::clock::Clock;

use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::EndCause,
    },
    store::{
        Store, StoreError,
        users::{self, DueOutcome},
    },
};

/// Maximum number of accounts that are read at a time.
const PAGE: i64 = 100;

/// Deletes the accounts that are due: at the end of a grace period, or because their users have not
/// verified the address. Such an account has no live session. An account that cannot be deleted
/// does not keep the others.
///
/// # Errors
/// If the database does not answer.
pub async fn delete_due_accounts(store: &Store, clock: &Clock) -> Result<(), StoreError> {
    let mut last = String::new();
    loop {
        let now = clock.now_ms();
        let after = last.clone();
        let due = move |connection: &mut _| users::due_deletions(connection, now, &after, PAGE);
        let mut due = store.run(due).await?;
        let is_last_page = due.len() < PAGE as usize;
        let mut has_failed = false;
        // After a failure, the next page shows whether the database answers at all.
        while !has_failed && !due.is_empty() {
            last = due.remove(0);
            if let Err(why) = delete_account(store, &last, now).await {
                log::error!("the account {last} is due, and was not deleted: {why}");
                has_failed = true;
            }
        }
        if is_last_page && !has_failed {
            return Ok(());
        }
    }
}

async fn delete_account(store: &Store, id: &str, now_ms: i64) -> Result<(), StoreError> {
    let record = |event, detail| {
        AuditRecord::new(event, Initiator::service(), now_ms).user(id).detail(detail)
    };
    let deleted = AuditEvent::Ended(EndCause::UserDeleted);
    let deleted = record(deleted, "the account was due for deletion");
    let cancelled = record(AuditEvent::DeletionCancelled, "the user has logged in since");
    let id = id.to_owned();
    let delete = move |connection: &mut _| {
        let record = match users::delete_due(connection, &id, now_ms)? {
            DueOutcome::Deleted => Some(deleted),
            DueOutcome::Cancelled => Some(cancelled),
            DueOutcome::Kept => None,
        };
        Ok(((), record))
    };
    store.audited(delete).await
}
