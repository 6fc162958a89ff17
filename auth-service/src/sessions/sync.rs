//! Keeping the blacklist up to date with the database: after an outage, after a loss, and once a second.

use std::{
    sync::{Arc, MutexGuard, PoisonError, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use service_kit::traces;
use shared::claims::SessionId;

use super::Sessions;
use crate::{
    domain::session::EndCause,
    revocation_feed::Source,
    session_state::{Retention, SessionStateError},
    store::{
        StoreError,
        sessions::{self as rows, Revoked},
        users,
    },
};

/// How often what was missed is looked for.
const TICK: Duration = Duration::from_secs(1);
/// How often what has expired is deleted.
const CLEANUP: Duration = Duration::from_secs(600);
/// How many rows are read or written at once.
const PAGE: i64 = 1000;
/// What was written to the blacklist is written again at each tick until it is this old, and only then held for safe
/// there: Redis may lose the last second when it crashes (`appendfsync everysec`).
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Whether a question may be asked twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RetryPolicy {
    Yes,
    No,
}

impl Sessions {
    /// Brings schema and blacklist up to date, again and again, until `this` is dropped.
    pub async fn maintain(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            sessions.maintain_once().await;
            drop(sessions);
            tokio::time::sleep(TICK).await;
        }
    }

    /// Deletes what has expired, again and again, until `this` is dropped. Upkeep does not wait for it.
    pub async fn clean_up(this: Weak<Self>) {
        while let Some(sessions) = this.upgrade() {
            let is_migrated = sessions.store.is_migrated();
            if is_migrated {
                // What fails is in the log already.
                let _ = sessions.delete_expired().await;
            }
            drop(sessions);
            tokio::time::sleep(if is_migrated { CLEANUP } else { TICK }).await;
        }
    }

    /// What fails here is in the log already, and is tried again at the next tick.
    async fn maintain_once(self: &Arc<Self>) {
        if !self.store.is_migrated() && self.store.migrate().await.is_err() {
            return;
        }
        // The database is asked whether Redis answers or not: it may be away from this replica alone.
        let is_complete = self.in_sync(RetryPolicy::Yes, |_| self.blacklist.is_complete());
        let (is_complete, _) = tokio::join!(is_complete, self.hear_of_missing());
        match is_complete {
            Ok(true) => {
                let written = self.write_missing().await;
                // A database that is out of reach is no reason to doubt the blacklist.
                if written.is_err_and(|why| !matches!(why, SessionStateError::Store(_))) {
                    self.note_outage();
                }
            }
            Ok(false) => self.note_outage(),
            Err(_) => {}
        }
        // The question may have cost us the connections.
        let _ = self.sync().await;
        self.flush().await;
    }

    /// Tells this replica's listeners what the database knows to have ended lately and the blacklist is not known to hold.
    async fn hear_of_missing(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            for revoked in &page {
                self.revocations.record_from_database(revoked.sid, revoked.revoked_at_ms);
            }
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
        }
        self.revocations.mark_heard(Source::Database);
        Ok(())
    }

    /// Writes to the database what it could not be told when it happened.
    async fn write_unwritten(&self) -> Result<(), StoreError> {
        let unwritten = || self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting: Vec<_> = unwritten().iter().map(|(sid, record)| (*sid, record.clone())).collect();
        for (sid, record) in waiting {
            self.write_revocation(sid, EndCause::Reuse, record).await?;
            unwritten().remove(&sid);
        }
        Ok(())
    }

    /// Writes what is written behind. What fails is in the log.
    pub async fn flush(&self) {
        let _ = self.write_unwritten().await;
        let _ = self.write_uses().await;
    }

    /// Writes which sessions were used since the last tick. A time that is lost does no harm.
    async fn write_uses(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let (used, now): (Vec<SessionId>, i64) = (used.into_iter().collect(), self.clock.now_ms());
        for page in used.chunks(PAGE as usize) {
            let page = page.to_vec();
            self.store.run(move |connection| rows::touch(connection, &page, now)).await?;
        }
        Ok(())
    }

    async fn delete_expired(&self) -> Result<(), SessionStateError> {
        self.cleanup.run(&self.store, &self.clock).await?;
        self.blacklist.delete_expired().await
    }

    /// Asks the blacklist, which is brought up to date first where that is needed, over the connections over which it is.
    /// It is asked a second time if it was not whole, or if its connection failed, for that may have been cut while it was
    /// idle; but not if it is slow.
    pub(super) async fn in_sync<T, F>(
        self: &Arc<Self>,
        again: RetryPolicy,
        ask: impl Fn(u64) -> F,
    ) -> Result<T, SessionStateError>
    where
        F: Future<Output = Result<T, SessionStateError>>,
    {
        let attempt = async || {
            let connection = self.sync().await?;
            ask(connection).await.inspect_err(|_| self.note_outage_of(connection))
        };
        let first = attempt().await;
        match first {
            Err(SessionStateError::Incomplete) => {}
            Err(SessionStateError::Unavailable) if again == RetryPolicy::Yes => {}
            decided => return decided,
        }
        attempt().await
    }

    pub(super) fn note_outage(&self) {
        let mut since = self.out_since();
        self.outages.fetch_add(1, Ordering::AcqRel);
        since.get_or_insert_with(Instant::now);
    }

    /// Notes that the blacklist gave no answer over connections of this number. Once they were given up, it may be up to date
    /// again over others, and be left at that.
    pub(super) fn note_outage_of(&self, connection: u64) {
        let mut since = self.out_since();
        if self.blacklist.connection() == connection {
            self.outages.fetch_add(1, Ordering::AcqRel);
        }
        if !self.is_in_sync() {
            since.get_or_insert_with(Instant::now);
        }
    }

    /// For how long the blacklist has not been in sync.
    pub(super) fn out_for(&self) -> Duration {
        self.out_since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn out_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.out_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the blacklist is known to hold all that the database does.
    pub fn is_in_sync(&self) -> bool {
        self.doubts() == self.synced_at.load(Ordering::Acquire)
    }

    /// The connections to the blacklist, if it is known to hold that over them. Their number is read first: should they be
    /// given up meanwhile, nothing is asked over it.
    pub(super) fn connection_in_sync(&self) -> Option<u64> {
        let connection = self.blacklist.connection();
        self.is_in_sync().then_some(connection)
    }

    /// How often there was reason to doubt that. Both numbers only grow.
    fn doubts(&self) -> u64 {
        self.outages.load(Ordering::Acquire) + self.blacklist.connection()
    }

    /// The connection over which the blacklist is up to date, to which it is brought first if it may not be. A rebuild may
    /// take longer than anybody waits: then it goes on.
    async fn sync(self: &Arc<Self>) -> Result<u64, SessionStateError> {
        if let Some(connection) = self.connection_in_sync() {
            return Ok(connection);
        }
        let this = Arc::clone(self);
        // A task from the start: others wait for it, whatever becomes of this request.
        let attempt = tokio::spawn(traces::with_current_trace(async move { this.sync_once().await }));
        match tokio::time::timeout(self.patience, attempt).await {
            Ok(outcome) => outcome.unwrap_or(Err(SessionStateError::Unavailable)),
            Err(_) => Err(SessionStateError::TimedOut),
        }
    }

    /// One tries at a time, and whoever waits meanwhile shares the outcome.
    async fn sync_once(&self) -> Result<u64, SessionStateError> {
        let attempts = self.attempts.load(Ordering::Acquire);
        let _one_at_a_time = self.syncing.lock().await;
        if let Some(connection) = self.connection_in_sync() {
            return Ok(connection);
        }
        if self.attempts.load(Ordering::Acquire) != attempts {
            return Err(SessionStateError::TimedOut);
        }
        // Nobody may have noted it: connections are also given up that nobody asked over.
        self.out_since().get_or_insert_with(Instant::now);
        let (connection, doubts) = (self.blacklist.connection(), self.doubts());
        let outcome = self.bring_up_to_date().await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        outcome?;
        let mut since = self.out_since();
        self.synced_at.store(doubts, Ordering::Release);
        if self.is_in_sync() {
            *since = None;
        }
        Ok(connection)
    }

    async fn bring_up_to_date(&self) -> Result<(), SessionStateError> {
        if self.blacklist.is_complete().await? { self.write_missing().await } else { self.rebuild().await }
    }

    /// Writes every revocation that is still of consequence to a blacklist that was wiped, or has old data.
    async fn rebuild(&self) -> Result<(), SessionStateError> {
        // While the database is out of reach there is nothing to begin with.
        self.store.run(rows::ping).await?;
        let rebuild = self.blacklist.begin_rebuild().await?;
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.revoked_page(after, false).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            count += page.len();
            self.blacklist.revoke(self.entries(&page, true)).await?;
        }
        self.mark_stale(false).await?;
        self.blacklist.finish_rebuild(rebuild).await?;
        log::info!("the blacklist was rebuilt from the database: {count} sessions that have ended");
        Ok(())
    }

    /// Writes what the blacklist is not known to hold.
    async fn write_missing(&self) -> Result<(), SessionStateError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            self.blacklist.revoke(self.entries(&page, false)).await?;
            let now = self.clock.now_ms();
            let told: Vec<(SessionId, i64)> =
                page.iter().map(|revoked| (revoked.sid, revoked.revoked_at_ms)).collect();
            let is_published = self.revocations.publish(&told).await;
            let is_settled = |revoked: &&Revoked| {
                is_published && revoked.revoked_at_ms <= now - SETTLED_AFTER.as_millis() as i64
            };
            let settled: Vec<SessionId> = page.iter().filter(is_settled).map(|revoked| revoked.sid).collect();
            if !settled.is_empty() {
                self.store.run(move |connection| rows::mark_blacklisted(connection, &settled, now)).await?;
            }
        }
        self.mark_stale(true).await
    }

    /// Marks the sessions of users whose scopes or roles have ever changed, or only of those whose sessions are not known
    /// to be marked.
    async fn mark_stale(&self, unmarked_only: bool) -> Result<(), SessionStateError> {
        let now = self.clock.now_ms();
        let mut after: Option<String> = None;
        loop {
            let query = move |connection: &mut _| {
                users::with_changed_claims(connection, after.as_deref(), unmarked_only, PAGE)
            };
            let page = self.store.run(query).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (id, changed_at) in page {
                let user = id.clone();
                let query = move |connection: &mut _| rows::of_user(connection, &user, now);
                self.blacklist.mark_stale(self.store.run(query).await?).await?;
                if unmarked_only && self.is_settled(&id, changed_at) {
                    let query =
                        move |connection: &mut _| users::set_claims_marked(connection, &id, changed_at);
                    self.store.run(query).await?;
                }
            }
        }
    }

    /// Whether this replica marked the change long enough ago, by its own clock. Until then it is marked again at each
    /// tick: a refresh that was just reading the database clears a mark with what it read before.
    fn is_settled(&self, user: &str, changed_at: i64) -> bool {
        let mut marked = self.marked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let since = marked.entry(user.to_owned()).or_insert((changed_at, Instant::now()));
        if since.0 != changed_at {
            *since = (changed_at, Instant::now());
        }
        let settled = since.1.elapsed() >= SETTLED_AFTER;
        if settled {
            marked.remove(user);
        }
        settled
    }

    async fn revoked_page(
        &self,
        after: Option<SessionId>,
        missing_only: bool,
    ) -> Result<Vec<Revoked>, StoreError> {
        let now = self.clock.now_ms() - self.leeway_ms;
        self.store.run(move |connection| rows::revoked(connection, after, missing_only, now, PAGE)).await
    }

    /// With `extend`, those that have ended already are kept as long as any of their tokens may live.
    fn entries(&self, page: &[Revoked], extend: bool) -> Vec<(SessionId, Retention)> {
        let keep = |revoked: &Revoked| Retention {
            extend,
            ..Retention::until(revoked.expires_at_ms + self.leeway_ms)
        };
        page.iter().map(|revoked| (revoked.sid, keep(revoked))).collect()
    }
}
