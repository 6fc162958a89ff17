//! Cleanup: deletes expired sessions and old audit events. One process at a time does so.

use std::time::Duration;

use shared::clock::Clock;

use crate::store::{Store, StoreError, audit, sessions, with_cleanup_lock};

/// Maximum number of rows of each kind that one transaction deletes.
const PAGE: i64 = 1000;

/// The minimum age of rows to delete.
#[derive(Clone, Copy, Debug)]
pub struct Cleanup {
    /// Time after a session's expiry. Until then, verifiers whose clocks are behind may ask about
    /// the session's last access token.
    leeway: Duration,
    audit_retention: Duration,
}

/// The number of deleted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub sessions: usize,
    pub audit_events: usize,
}

impl Cleanup {
    pub fn new(leeway: Duration, audit_retention: Duration) -> Self {
        Self { leeway, audit_retention }
    }

    /// Deletes expired sessions and old audit events. Stops early if another process runs a
    /// cleanup.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn run(self, store: &Store, clock: &Clock) -> Result<Deleted, StoreError> {
        let before = |age: Duration| clock.now_ms() - age.as_millis() as i64;
        let sessions_before = before(self.leeway);
        let events_before = before(self.audit_retention);
        let mut deleted = Deleted::default();
        loop {
            let delete_page = move |connection: &mut _| {
                with_cleanup_lock(connection, |connection| {
                    Ok(Deleted {
                        sessions: sessions::delete_expired(connection, sessions_before, PAGE)?,
                        audit_events: audit::delete_older(connection, events_before, PAGE)?,
                    })
                })
            };
            let Some(page) = store.run(delete_page).await? else { return Ok(deleted) };
            deleted.sessions += page.sessions;
            deleted.audit_events += page.audit_events;
            if page.sessions.max(page.audit_events) < PAGE as usize {
                return Ok(deleted);
            }
            let Deleted { sessions, audit_events } = deleted;
            log::info!("cleanup: {sessions} sessions, {audit_events} audit events deleted so far");
        }
    }
}
