//! Cleanup: deletes expired sessions, codes and invitations, old audit events, names of deleted
//! users, messages of receivers of webhooks that were removed, and accounts that are due for
//! deletion. One process at a time runs a cleanup.

use std::time::Duration;

use service_kit::settings::MAX_LEEWAY;
use shared::clock::Clock;

use super::account_deletions::delete_due_accounts;
use crate::store::{
    Store, StoreError, address_mails, audit, invitations, one_time_codes, outbox, sessions, users,
    webhook_messages::{self, OrphanPage},
    with_cleanup_lock,
};

/// Maximum number of rows of each kind that one transaction deletes.
const PAGE: i64 = 1000;
/// Number of messages that one query searches for those of removed receivers.
const SEARCH_PAGE: i64 = 10_000;
/// Time in which mails to one address are counted.
const DAY: Duration = Duration::from_secs(86_400);
/// Time for which messages to receivers of webhooks are kept after they were sent or given up.
const WEBHOOK_MESSAGES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// The minimum age of rows to delete.
#[derive(Clone, Copy, Debug)]
pub struct Cleanup {
    audit_retention: Duration,
}

/// The number of deleted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub sessions: usize,
    pub audit_events: usize,
}

impl Cleanup {
    pub fn new(audit_retention: Duration) -> Self {
        Self { audit_retention }
    }

    /// Deletes what the module documentation lists. Stops early if another process runs a cleanup.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn run(self, store: &Store, clock: &Clock) -> Result<Deleted, StoreError> {
        let before = |age: Duration| clock.now_ms() - age.as_millis() as i64;
        // Until then, verifiers whose clocks are behind may ask about a session's last access token.
        let sessions_before = before(MAX_LEEWAY);
        let events_before = before(self.audit_retention);
        let mails_before = before(DAY);
        let webhooks_before = before(WEBHOOK_MESSAGES_KEPT);
        delete_due_accounts(store, clock).await?;
        delete_orphaned_messages(store).await?;
        let mut deleted = Deleted::default();
        loop {
            let delete_page = move |connection: &mut _| {
                with_cleanup_lock(connection, |connection| {
                    let sessions = sessions::delete_expired(connection, sessions_before, PAGE)?;
                    let audit_events = audit::delete_older(connection, events_before, PAGE)?;
                    let codes = one_time_codes::delete_expired(connection, sessions_before, PAGE)?;
                    let messages = outbox::delete_given_up(connection, events_before, PAGE)?;
                    // A name becomes free with the last event of its user.
                    let names = users::free_names(connection, events_before, PAGE)?;
                    let invitations =
                        invitations::delete_expired(connection, sessions_before, PAGE)?;
                    let former = users::free_former_usernames(connection, events_before, PAGE)?;
                    let mails = address_mails::delete_older(connection, mails_before, PAGE)?;
                    let webhooks =
                        webhook_messages::delete_older(connection, webhooks_before, PAGE)?;
                    let others = codes.max(messages).max(names).max(invitations).max(webhooks);
                    let most = sessions.max(audit_events).max(others).max(former).max(mails);
                    Ok((Deleted { sessions, audit_events }, most))
                })
            };
            let Some((page, most)) = store.run(delete_page).await? else { return Ok(deleted) };
            deleted.sessions += page.sessions;
            deleted.audit_events += page.audit_events;
            if most < PAGE as usize {
                return Ok(deleted);
            }
            let Deleted { sessions, audit_events } = deleted;
            log::info!("cleanup: {sessions} sessions, {audit_events} audit events deleted so far");
        }
    }
}

/// Deletes the messages of receivers of webhooks that were removed. The search locks no row, and a
/// page of it takes a bounded time.
async fn delete_orphaned_messages(store: &Store) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let search =
            move |connection: &mut _| webhook_messages::orphans(connection, &after, SEARCH_PAGE);
        let OrphanPage { orphans, last } = store.run(search).await?;
        for ids in orphans.chunks(PAGE as usize) {
            let ids = ids.to_vec();
            let delete = move |connection: &mut _| {
                with_cleanup_lock(connection, |connection| {
                    webhook_messages::delete(connection, &ids)
                })
            };
            if store.run(delete).await?.is_none() {
                return Ok(());
            }
        }
        let Some(last) = last else { return Ok(()) };
        after = last;
    }
}
