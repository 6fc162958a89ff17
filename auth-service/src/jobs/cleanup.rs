//! Deleting what has expired: sessions, and old events of the audit trail. One process at a time.

use std::time::Duration;

use shared::clock::Clock;

use crate::{
    config::Settings,
    store::{Store, StoreError, audit, sessions, with_cleanup_lock},
};

/// How many rows are deleted at once.
const PAGE: i64 = 1000;

/// How old what is deleted must be.
#[derive(Clone, Copy, Debug)]
pub struct Cleanup {
    leeway: Duration,
    audit_retention: Duration,
}

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub sessions: usize,
    pub audit_events: usize,
}

impl Cleanup {
    pub fn new(settings: &Settings) -> Self {
        Self { leeway: settings.leeway, audit_retention: settings.audit_retention }
    }

    /// Deletes what has expired. Less than that, or nothing, if another process is at it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn run(self, store: &Store, clock: &Clock) -> Result<Deleted, StoreError> {
        let before = |age: Duration| clock.now_ms() - age.as_millis() as i64;
        // Until then verifiers whose clocks are behind may ask about a session's last access token.
        let (expired, old) = (before(self.leeway), before(self.audit_retention));
        let mut deleted = Deleted::default();
        loop {
            let page = store.run(move |connection| {
                with_cleanup_lock(connection, |connection| {
                    Ok(Deleted {
                        sessions: sessions::delete_expired(connection, expired, PAGE)?,
                        audit_events: audit::delete_older(connection, old, PAGE)?,
                    })
                })
            });
            let Some(page) = page.await? else { return Ok(deleted) };
            deleted.sessions += page.sessions;
            deleted.audit_events += page.audit_events;
            if page.sessions.max(page.audit_events) < PAGE as usize {
                return Ok(deleted);
            }
            log::info!("{} sessions, {} events deleted so far", deleted.sessions, deleted.audit_events);
        }
    }
}
