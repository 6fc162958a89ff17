//! Sessions: where the database, which is durable, and the blacklist, which is fast, meet.
//!
//! A revocation is written to the database first and to the blacklist second. When the blacklist may have missed one,
//! because it was wiped or out of reach, no refresh is answered before it has been brought up to date.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use shared::{claims::SessionId, clock::Clock};
use tokio::sync::Mutex;

use crate::{
    blacklist::{Blacklist, BlacklistError, Keep, Refresh},
    config::Settings,
    domain::generation::{self, Advance, Claims, Entry, Presented},
    store::{
        Store, StoreError,
        sessions::{self as rows, Cause, Revoked},
        users,
    },
    tokens::{RefreshClaims, Session},
};

/// The generation of a login's own tokens.
pub const FIRST: Presented = Presented { generation: 0, rotated_at_ms: 0 };

/// How often what was missed is looked for.
const TICK: Duration = Duration::from_secs(1);
/// How often what has expired is deleted, in ticks.
const TICKS_PER_CLEANUP: u64 = 600;
/// How many rows are read or deleted at once.
const PAGE: i64 = 1000;
/// What was written to the blacklist is written again at each tick until it is this old, and only then held for safe
/// there: Redis may lose the last second when it crashes (`appendfsync everysec`).
const SETTLED_AFTER_MS: i64 = 5000;

/// Opens, advances and ends sessions.
pub struct Sessions {
    store: Store,
    blacklist: Blacklist,
    clock: Clock,
    grace: Duration,
    leeway_ms: i64,
    session_lifetime_ms: i64,
    /// How often the blacklist gave no answer, or said that it is not whole.
    outages: AtomicU64,
    /// What `outages` was when the blacklist was last brought up to date.
    synced_at: AtomicU64,
    /// How often bringing it up to date was tried.
    attempts: AtomicU64,
    syncing: Mutex<()>,
}

/// Whether a question may be asked twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

impl Sessions {
    pub fn new(store: Store, blacklist: Blacklist, clock: Clock, settings: &Settings) -> Self {
        Self {
            store,
            blacklist,
            clock,
            grace: settings.refresh_grace,
            leeway_ms: settings.leeway.as_millis() as i64,
            session_lifetime_ms: settings.session_lifetime.as_millis() as i64,
            // Not in sync: nobody knows what happened before this process started.
            outages: AtomicU64::new(1),
            synced_at: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            syncing: Mutex::default(),
        }
    }

    /// Begins a session for a user.
    pub async fn open(&self, session: &Session) -> Result<(), StoreError> {
        let (sid, user_id) = (session.sid, session.sub.clone());
        let (began_ms, ends_ms) = (session.auth_time * 1000, session.ends_at * 1000);
        self.store.run(move |connection| rows::insert(connection, sid, &user_id, began_ms, ends_ms)).await
    }

    /// Decides on a refresh. `next_expires_at` is when the next token would expire, in seconds since the Unix epoch.
    /// A reuse ends the session, whether or not the client waits for the answer.
    pub async fn advance(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        claims: Claims,
        next_expires_at: i64,
    ) -> Result<Advance, BlacklistError> {
        let (this, sub) = (Arc::clone(self), presented.sub.clone());
        let refresh = Refresh {
            sid: presented.sid,
            presented: presented.presented(),
            expires_at_ms: presented.exp * 1000,
            next_expires_at_ms: next_expires_at * 1000,
            claims,
            grace: self.grace,
        };
        to_the_end(async move {
            // Without a grace period, the second of two questions would find the token rotated by the first.
            let again = if this.grace.is_zero() { Again::No } else { Again::Yes };
            let decision = this.in_sync(again, || this.blacklist.advance(refresh)).await?;
            if decision == Advance::Reused {
                this.note_reuse(refresh.sid, &sub).await;
            }
            Ok(decision)
        })
        .await
        .unwrap_or(Err(BlacklistError::Unavailable))
    }

    async fn note_reuse(&self, sid: SessionId, sub: &str) {
        log::warn!("refresh token reuse: session {sid} of user {sub} ends");
        // The blacklist has ended it in the same step. Should this write fail, the answer is a refusal all the same;
        // and should the blacklist then be wiped, the two tokens that are about betray each other again.
        if let Err(why) = self.write_revocation(sid, Cause::Reuse).await {
            log::error!("the end of session {sid} is not in the database: {why}");
        }
    }

    /// Ends the session of `presented`, whether or not the client waits for the answer. Says whether the database
    /// knows the session. Once this has returned, no failure brings it back.
    ///
    /// # Errors
    /// If the database did not take it. The blacklist may be out of reach: it is brought up to date later.
    pub async fn log_out(self: &Arc<Self>, presented: &RefreshClaims) -> Result<bool, StoreError> {
        let (this, sid) = (Arc::clone(self), presented.sid);
        let keep = Keep {
            presented_until_ms: presented.exp * 1000,
            longest_until_ms: presented.session_ends_at * 1000,
            // By the clock of whichever replica it was.
            since_ms: presented.auth_time * 1000 - self.leeway_ms,
        };
        to_the_end(async move {
            let known = this.write_revocation(sid, Cause::Logout).await?;
            if let Err(why) = this.blacklist.revoke(vec![(sid, keep)]).await {
                this.note_outage();
                log::warn!("session {sid} has ended, but the blacklist does not know yet: {why}");
            }
            Ok(known)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Whether a session has ended, as far as the blacklist can tell at once.
    pub async fn has_ended(&self, sid: SessionId) -> Result<bool, BlacklistError> {
        if !self.is_in_sync() {
            // Not waited for: what asks this goes on without the blacklist.
            return Err(BlacklistError::Unavailable);
        }
        let entry = self.blacklist.entry(sid).await.inspect_err(|_| self.note_outage())?;
        Ok(entry == Some(Entry::Revoked))
    }

    /// Whether a refresh token would be accepted now.
    pub async fn accepts(&self, presented: &RefreshClaims) -> Result<bool, BlacklistError> {
        let entry = self.in_sync(Again::Yes, || self.blacklist.entry(presented.sid)).await?;
        let now = self.clock.now_ms();
        let (decision, _) =
            generation::advance(entry, presented.presented(), Claims::Database, now, self.grace);
        Ok(matches!(decision, Advance::Rotated(_) | Advance::RetriedInGrace(_)))
    }

    /// Whether both database and blacklist answer.
    pub async fn check(&self) -> (Result<(), StoreError>, Result<(), BlacklistError>) {
        let database = self.store.run(rows::ping).await;
        let blacklist = self.in_sync(Again::Yes, || self.blacklist.is_whole()).await.map(drop);
        (database, blacklist)
    }

    /// Brings schema and blacklist up to date, again and again, until `this` is dropped.
    pub async fn maintain(this: Weak<Self>) {
        for tick in 0.. {
            match this.upgrade() {
                None => return,
                Some(sessions) => sessions.maintain_once(tick % TICKS_PER_CLEANUP == 0).await,
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// What fails here is in the log already, and is tried again at the next tick.
    async fn maintain_once(&self, clean_up: bool) {
        if !self.store.is_migrated() && self.store.migrate().await.is_err() {
            return;
        }
        match self.in_sync(Again::Yes, || self.blacklist.is_whole()).await {
            Ok(true) => {
                let written = self.write_missing().await;
                // A database that is out of reach is no reason to doubt the blacklist.
                if written.is_err_and(|why| !matches!(why, BlacklistError::Store(_))) {
                    self.note_outage();
                }
            }
            Ok(false) => self.note_outage(),
            Err(_) => {}
        }
        if clean_up {
            let _ = self.delete_expired().await;
        }
    }

    async fn delete_expired(&self) -> Result<(), BlacklistError> {
        let now = self.clock.now_ms();
        loop {
            let deleted =
                self.store.run(move |connection| rows::delete_expired(connection, now, PAGE)).await?;
            if (deleted as i64) < PAGE {
                return self.blacklist.delete_expired().await;
            }
        }
    }

    async fn write_revocation(&self, sid: SessionId, cause: Cause) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        self.store.run(move |connection| rows::revoke(connection, sid, cause, now)).await
    }

    /// Asks the blacklist, which is brought up to date first where that is needed. It is asked a second time if it was
    /// not whole, or if its connection failed, for that may have been cut while it was idle; but not if it is slow.
    async fn in_sync<T, F>(&self, again: Again, ask: impl Fn() -> F) -> Result<T, BlacklistError>
    where
        F: Future<Output = Result<T, BlacklistError>>,
    {
        let attempt = async || {
            self.sync().await?;
            ask().await
        };
        let first = attempt().await.inspect_err(|_| self.note_outage());
        match first {
            Err(BlacklistError::NotWhole) => {}
            Err(BlacklistError::Unavailable) if again == Again::Yes => {}
            decided => return decided,
        }
        attempt().await.inspect_err(|_| self.note_outage())
    }

    fn note_outage(&self) {
        self.outages.fetch_add(1, Ordering::AcqRel);
    }

    fn is_in_sync(&self) -> bool {
        self.outages.load(Ordering::Acquire) == self.synced_at.load(Ordering::Acquire)
    }

    /// Brings the blacklist up to date if it may not be. One tries at a time, and whoever waits meanwhile shares the
    /// outcome.
    async fn sync(&self) -> Result<(), BlacklistError> {
        if self.is_in_sync() {
            return Ok(());
        }
        let attempts = self.attempts.load(Ordering::Acquire);
        let _one_at_a_time = self.syncing.lock().await;
        if self.is_in_sync() {
            return Ok(());
        }
        if self.attempts.load(Ordering::Acquire) != attempts {
            return Err(BlacklistError::TimedOut);
        }
        let outages = self.outages.load(Ordering::Acquire);
        let outcome = self.bring_up_to_date().await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        if outcome.is_ok() {
            self.synced_at.store(outages, Ordering::Release);
        }
        outcome
    }

    async fn bring_up_to_date(&self) -> Result<(), BlacklistError> {
        if self.blacklist.is_whole().await? { self.write_missing().await } else { self.rebuild().await }
    }

    /// Writes every revocation that is still of consequence to a blacklist that was wiped, or has old data.
    async fn rebuild(&self) -> Result<(), BlacklistError> {
        // While the database is out of reach there is nothing to begin with.
        self.store.run(rows::ping).await?;
        let rebuild = self.blacklist.begin_rebuild().await?;
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.revoked_page(after, false).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            count += page.len();
            self.blacklist.revoke(entries(&page)).await?;
        }
        self.mark_stale(false).await?;
        self.blacklist.finish_rebuild(rebuild).await?;
        log::info!("the blacklist was rebuilt from the database: {count} sessions that have ended");
        Ok(())
    }

    /// Writes what the blacklist is not known to hold.
    async fn write_missing(&self) -> Result<(), BlacklistError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            self.blacklist.revoke(entries(&page)).await?;
            let now = self.clock.now_ms();
            let settled: Vec<SessionId> = page
                .iter()
                .filter(|revoked| revoked.revoked_at_ms <= now - SETTLED_AFTER_MS)
                .map(|revoked| revoked.sid)
                .collect();
            if !settled.is_empty() {
                self.store.run(move |connection| rows::mark_blacklisted(connection, &settled, now)).await?;
            }
        }
        self.mark_stale(true).await
    }

    /// Marks the sessions of users whose scopes or roles have changed: all those that can still matter, or only those
    /// that are not known to be marked.
    async fn mark_stale(&self, unmarked_only: bool) -> Result<(), BlacklistError> {
        let now = self.clock.now_ms();
        let since = if unmarked_only { i64::MIN } else { now - self.session_lifetime_ms };
        let mut after: Option<String> = None;
        loop {
            let query = move |connection: &mut _| {
                users::with_changed_claims(connection, after.as_deref(), unmarked_only, since, PAGE)
            };
            let page = self.store.run(query).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (id, changed_at) in page {
                let user = id.clone();
                let query = move |connection: &mut _| rows::of_user(connection, &user, changed_at, now);
                self.blacklist.mark_stale(self.store.run(query).await?).await?;
                if changed_at <= now - SETTLED_AFTER_MS {
                    let query =
                        move |connection: &mut _| users::set_claims_marked(connection, &id, changed_at);
                    self.store.run(query).await?;
                }
            }
        }
    }

    async fn revoked_page(
        &self,
        after: Option<SessionId>,
        missing_only: bool,
    ) -> Result<Vec<Revoked>, StoreError> {
        let now = self.clock.now_ms();
        self.store.run(move |connection| rows::revoked(connection, after, missing_only, now, PAGE)).await
    }
}

fn entries(page: &[Revoked]) -> Vec<(SessionId, Keep)> {
    page.iter().map(|revoked| (revoked.sid, Keep::until(revoked.expires_at_ms))).collect()
}

/// Runs `work` to its end, even if the client goes away and nobody waits for it any more. `None` if it panicked.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::spawn(work).await.ok()
}
