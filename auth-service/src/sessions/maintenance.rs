//! Background work on sessions: syncing the session state after an outage, after a loss and once a second, and deleting what has
//! expired.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use shared::claims::SessionId;

use super::{Sessions, sync::RetryPolicy};
use crate::{
    revocation_feed::FeedSource,
    session_state::{Retention, SessionStateError},
    store::{
        StoreError,
        sessions::{self as rows, Revoked},
        users,
    },
};

/// Interval of the background work.
const TICK: Duration = Duration::from_secs(1);
/// Interval at which expired rows are deleted.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);
/// Number of rows read or written at once.
const PAGE: i64 = 1000;
/// Age from which a write to the session state counts as settled. Until then it is repeated at each tick: Redis may lose the last second
/// when it crashes (`appendfsync everysec`).
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Changes of claims that this replica has marked in the session state, by user.
#[derive(Default)]
pub struct MarkedClaims(Mutex<HashMap<String, Marked>>);

struct Marked {
    /// Which change, by its time in the database.
    changed_at: i64,
    /// When this replica first marked it, by its own clock.
    since: Instant,
}

impl MarkedClaims {
    /// Returns whether this replica marked the change long enough ago. Until then it is marked again at each tick: a refresh that is reading
    /// the database clears a mark with what it read before.
    fn is_settled(&self, user: &str, changed_at: i64) -> bool {
        let mut marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = marked.entry(user.to_owned()).or_insert(Marked { changed_at, since: now });
        if entry.changed_at != changed_at {
            *entry = Marked { changed_at, since: now };
        }
        let settled = entry.since.elapsed() >= SETTLED_AFTER;
        if settled {
            marked.remove(user);
        }
        settled
    }
}

impl Sessions {
    /// Keeps schema and session state up to date until `this` is dropped.
    pub async fn maintain(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            sessions.maintain_once().await;
            drop(sessions);
            tokio::time::sleep(TICK).await;
        }
    }

    /// Deletes what has expired until `this` is dropped. A task of its own, so that [`Sessions::maintain`] does not wait for it.
    pub async fn clean_up(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            let is_migrated = sessions.store.is_migrated();
            if is_migrated {
                // A failure is in the log.
                let _ = sessions.delete_expired().await;
            }
            drop(sessions);
            tokio::time::sleep(if is_migrated { CLEANUP_INTERVAL } else { TICK }).await;
        }
    }

    /// A failure is in the log, and is tried again at the next tick.
    async fn maintain_once(self: &Arc<Self>) {
        if !self.store.is_migrated() && self.store.migrate().await.is_err() {
            return;
        }
        // The database is read whether Redis answers or not: Redis may be unreachable from this replica alone.
        let is_complete = self.when_synced(RetryPolicy::Once, |_| self.session_state.is_complete());
        let (is_complete, _) = tokio::join!(is_complete, self.record_unpublished());
        match is_complete {
            Ok(true) => {
                let written = self.write_missing().await;
                // An unreachable database is no reason to doubt the session state.
                if written.is_err_and(|why| !matches!(why, SessionStateError::Store(_))) {
                    self.note_outage();
                }
            }
            Ok(false) => self.note_outage(),
            Err(_) => {}
        }
        // The question may have cost the connections.
        let _ = self.sync().await;
        self.flush().await;
    }

    /// Records in the revocation feed what the database knows to have ended lately and the session state is not known to hold.
    async fn record_unpublished(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            for revoked in &page {
                self.revocations.record_from_database(revoked.sid, revoked.revoked_at_ms);
            }
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
        }
        self.revocations.mark_current(FeedSource::Database);
        Ok(())
    }

    async fn delete_expired(&self) -> Result<(), SessionStateError> {
        self.cleanup.run(&self.store, &self.clock).await?;
        self.session_state.delete_expired().await
    }

    pub(super) async fn bring_up_to_date(&self) -> Result<(), SessionStateError> {
        if self.session_state.is_complete().await? {
            self.write_missing().await
        } else {
            self.rebuild().await
        }
    }

    /// Writes every revocation that still matters to a session state that lost its data or has old data.
    async fn rebuild(&self) -> Result<(), SessionStateError> {
        // Without the database there is nothing to rebuild from.
        self.store.run(rows::ping).await?;
        let rebuild = self.session_state.begin_rebuild().await?;
        let mut after = None;
        let mut count = 0;
        loop {
            let page = self.revoked_page(after, false).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            count += page.len();
            self.session_state.revoke(self.retentions(&page, true)).await?;
        }
        self.mark_stale(false).await?;
        self.session_state.finish_rebuild(rebuild).await?;
        log::info!("session state rebuilt from the database: {count} ended sessions");
        Ok(())
    }

    /// Writes what the session state is not known to hold.
    async fn write_missing(&self) -> Result<(), SessionStateError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            self.session_state.revoke(self.retentions(&page, false)).await?;
            let now = self.clock.now_ms();
            let ended: Vec<(SessionId, i64)> =
                page.iter().map(|revoked| (revoked.sid, revoked.revoked_at_ms)).collect();
            let is_published = self.revocations.publish(&ended).await;
            let settled_at = now - SETTLED_AFTER.as_millis() as i64;
            let is_settled = |revoked: &&Revoked| is_published && revoked.revoked_at_ms <= settled_at;
            let settled: Vec<SessionId> = page.iter().filter(is_settled).map(|revoked| revoked.sid).collect();
            if !settled.is_empty() {
                let mark = move |connection: &mut _| rows::mark_blacklisted(connection, &settled, now);
                self.store.run(mark).await?;
            }
        }
        self.mark_stale(true).await
    }

    /// Marks the sessions of users whose scopes or roles have ever changed, or only of users whose sessions are not known to be
    /// marked.
    async fn mark_stale(&self, unmarked_only: bool) -> Result<(), SessionStateError> {
        let mut after: Option<String> = None;
        loop {
            let query = move |connection: &mut _| {
                users::with_changed_claims(connection, after.as_deref(), unmarked_only, PAGE)
            };
            let page = self.store.run(query).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (id, changed_at) in page {
                self.mark_stale_sessions(id, changed_at, unmarked_only).await?;
            }
        }
    }

    async fn mark_stale_sessions(
        &self,
        user_id: String,
        changed_at: i64,
        unmarked_only: bool,
    ) -> Result<(), SessionStateError> {
        let now = self.clock.now_ms();
        let id = user_id.clone();
        let sessions = self.store.run(move |connection| rows::of_user(connection, &id, now)).await?;
        self.session_state.mark_claims_stale(sessions).await?;
        if unmarked_only && self.marked_claims.is_settled(&user_id, changed_at) {
            let mark = move |connection: &mut _| users::set_claims_marked(connection, &user_id, changed_at);
            self.store.run(mark).await?;
        }
        Ok(())
    }

    async fn revoked_page(
        &self,
        after: Option<SessionId>,
        missing_only: bool,
    ) -> Result<Vec<Revoked>, StoreError> {
        let now = self.clock.now_ms() - self.leeway_ms;
        self.store.run(move |connection| rows::revoked(connection, after, missing_only, now, PAGE)).await
    }

    /// Returns how long the entries of ended sessions are kept. With `extend`, entries that exist are kept as long as any token may live.
    fn retentions(&self, page: &[Revoked], extend: bool) -> Vec<(SessionId, Retention)> {
        let retention = |revoked: &Revoked| {
            let until_ms = self.until_with_leeway(revoked.expires_at_ms);
            (revoked.sid, Retention { extend, ..Retention::until(until_ms) })
        };
        page.iter().map(retention).collect()
    }
}
