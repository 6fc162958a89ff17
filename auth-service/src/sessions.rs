//! Sessions: where the database, which is durable, and the blacklist, which is fast, meet.
//!
//! A revocation is written to the database first and to the blacklist second. When the blacklist may have missed one,
//! because it was wiped or out of reach, no refresh is answered before it has been brought up to date.

use std::{
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use shared::{claims::SessionId, clock::Clock};
use tokio::sync::Mutex;

use crate::{
    blacklist::{Blacklist, BlacklistError, Keep},
    config::Settings,
    domain::generation::{self, Advance, Entry, Presented},
    store::{
        Store, StoreError,
        sessions::{self as rows, Cause, Revoked},
    },
    tokens::{RefreshClaims, Session},
};

/// How often what was missed is looked for.
const TICK: Duration = Duration::from_secs(1);
/// How often what has expired is deleted, in ticks.
const TICKS_PER_CLEANUP: u64 = 600;
/// How many rows are read or deleted at once.
const PAGE: i64 = 1000;
/// A revocation is written to the blacklist a second time when it is this old, and only then held for safe there:
/// Redis may lose the last second when it crashes (`appendfsync everysec`).
const SETTLED_AFTER_MS: i64 = 5000;

/// Opens, advances and ends sessions.
pub struct Sessions {
    store: Store,
    blacklist: Blacklist,
    clock: Clock,
    grace: Duration,
    refresh_lifetime: Duration,
    /// How often the blacklist gave no answer, or said that it is not whole.
    outages: AtomicU64,
    /// What `outages` was when the blacklist was last brought up to date.
    synced_at: AtomicU64,
    syncing: Mutex<()>,
}

impl Sessions {
    pub fn new(store: Store, blacklist: Blacklist, clock: Clock, settings: &Settings) -> Self {
        Self {
            store,
            blacklist,
            clock,
            grace: settings.refresh_grace,
            refresh_lifetime: settings.refresh_token_lifetime,
            // Not in sync: nobody knows what happened before this process started.
            outages: AtomicU64::new(1),
            synced_at: AtomicU64::new(0),
            syncing: Mutex::default(),
        }
    }

    /// Begins a session for a user.
    pub async fn open(&self, session: &Session, ends_at_secs: i64) -> Result<(), StoreError> {
        let (sid, user_id) = (session.sid, session.sub.clone());
        let (began_ms, ends_ms) = (session.auth_time * 1000, ends_at_secs * 1000);
        self.store.run(move |connection| rows::insert(connection, sid, &user_id, began_ms, ends_ms)).await
    }

    /// Decides on a refresh. `expires_at_secs` is when the next token would expire. A reuse ends the session.
    pub async fn advance(
        &self,
        presented: &RefreshClaims,
        expires_at_secs: i64,
    ) -> Result<Advance, BlacklistError> {
        let lives_until_ms = presented.exp.max(expires_at_secs) * 1000;
        let ttl = millis(lives_until_ms - self.clock.now_ms());
        let decision = self
            .in_sync(|| self.blacklist.advance(presented.sid, presented.presented(), self.grace, ttl))
            .await?;
        if decision == Advance::Reused {
            log::warn!("refresh token reuse: session {} of user {} ends", presented.sid, presented.sub);
            // The blacklist has ended it in the same step. Should this write fail, the answer is a refusal all the
            // same; and should the blacklist then be wiped, the two tokens that are about betray each other again.
            let revoked = self.write_revocation(presented.sid, Cause::Reuse).await;
            if let Err(why) = revoked {
                log::error!("the end of session {} is not in the database: {why}", presented.sid);
            }
        }
        Ok(decision)
    }

    /// Ends the session of `presented`. Once this has returned, no failure brings it back.
    ///
    /// # Errors
    /// If the database did not take it. The blacklist may be out of reach: it is brought up to date later.
    pub async fn log_out(&self, presented: &RefreshClaims) -> Result<(), StoreError> {
        self.write_revocation(presented.sid, Cause::Logout).await?;
        let now = self.clock.now_ms();
        let keep = Keep {
            presented: millis(presented.exp * 1000 - now),
            longest: self.refresh_lifetime,
            since_ms: presented.auth_time * 1000,
        };
        if let Err(why) = self.blacklist.revoke(vec![(presented.sid, keep)]).await {
            self.note_outage();
            log::warn!("session {} has ended, but the blacklist does not know yet: {why}", presented.sid);
        }
        Ok(())
    }

    /// Whether a session has ended, as far as the blacklist can tell.
    pub async fn has_ended(&self, sid: SessionId) -> Result<bool, BlacklistError> {
        let entry = self.in_sync(|| self.blacklist.entry(sid)).await?;
        Ok(entry == Some(Entry::Revoked))
    }

    /// Whether a refresh token would be accepted now.
    pub async fn accepts(&self, presented: &RefreshClaims) -> Result<bool, BlacklistError> {
        let entry = self.in_sync(|| self.blacklist.entry(presented.sid)).await?;
        let now = self.clock.now_ms();
        let decision = generation::advance(entry, presented.presented(), now, self.grace);
        Ok(matches!(decision, Advance::Rotated(_) | Advance::RetriedInGrace(_)))
    }

    /// Whether both database and blacklist answer.
    pub async fn check(&self) -> (Result<(), StoreError>, Result<(), BlacklistError>) {
        let database = self.store.run(rows::ping).await;
        let blacklist = self.in_sync(|| self.blacklist.is_whole()).await.map(drop);
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
        if self.in_sync(|| self.blacklist.is_whole()).await.is_ok() {
            let settled_by = self.clock.now_ms() - SETTLED_AFTER_MS;
            let written = self.blacklist_missing(settled_by).await;
            // A database that is out of reach is no reason to doubt the blacklist.
            if matches!(written, Err(BlacklistError::Unavailable | BlacklistError::NotWhole)) {
                self.note_outage();
            }
        }
        if clean_up {
            let now = self.clock.now_ms();
            let _ = self.store.run(move |connection| rows::delete_expired(connection, now, PAGE)).await;
            let _ = self.blacklist.delete_expired().await;
        }
    }

    async fn write_revocation(&self, sid: SessionId, cause: Cause) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        self.store.run(move |connection| rows::revoke(connection, sid, cause, now)).await
    }

    /// Asks the blacklist, which is brought up to date first where that is needed, and once more if it fails: its
    /// connection may have been cut while it was idle.
    async fn in_sync<T, F>(&self, ask: impl Fn() -> F) -> Result<T, BlacklistError>
    where
        F: Future<Output = Result<T, BlacklistError>>,
    {
        let mut last_try = false;
        loop {
            let outcome = match self.sync().await {
                Ok(()) => ask().await,
                Err(why) => Err(why),
            };
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(why) => {
                    self.note_outage();
                    if last_try {
                        return Err(why);
                    }
                }
            }
            last_try = true;
        }
    }

    fn note_outage(&self) {
        self.outages.fetch_add(1, Ordering::AcqRel);
    }

    fn is_in_sync(&self) -> bool {
        self.outages.load(Ordering::Acquire) == self.synced_at.load(Ordering::Acquire)
    }

    async fn sync(&self) -> Result<(), BlacklistError> {
        if self.is_in_sync() {
            return Ok(());
        }
        let _one_at_a_time = self.syncing.lock().await;
        if self.is_in_sync() {
            return Ok(());
        }
        let outages = self.outages.load(Ordering::Acquire);
        if self.blacklist.is_whole().await? {
            self.blacklist_missing(i64::MAX).await?;
        } else {
            self.rebuild().await?;
        }
        self.synced_at.store(outages, Ordering::Release);
        Ok(())
    }

    /// Writes every revocation that is still of consequence to a blacklist that was wiped.
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
            self.blacklist.revoke(self.entries(&page)).await?;
        }
        self.blacklist.finish_rebuild(rebuild).await?;
        log::info!("the blacklist was rebuilt from the database: {count} sessions that have ended");
        Ok(())
    }

    /// Writes the revocations of `until_ms` and before that the blacklist is not known to hold.
    async fn blacklist_missing(&self, until_ms: i64) -> Result<(), BlacklistError> {
        let mut after = None;
        loop {
            let mut page = self.revoked_page(after, true).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.sid);
            page.retain(|revoked| revoked.revoked_at_ms <= until_ms);
            if page.is_empty() {
                continue;
            }
            self.blacklist.revoke(self.entries(&page)).await?;
            let now = self.clock.now_ms();
            let settled: Vec<SessionId> = page
                .iter()
                .filter(|revoked| revoked.revoked_at_ms <= now - SETTLED_AFTER_MS)
                .map(|revoked| revoked.sid)
                .collect();
            self.store.run(move |connection| rows::mark_blacklisted(connection, &settled, now)).await?;
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

    fn entries(&self, page: &[Revoked]) -> Vec<(SessionId, Keep)> {
        let now = self.clock.now_ms();
        let idle_ms = self.refresh_lifetime.as_millis() as i64;
        page.iter()
            .map(|revoked| {
                let last_token_expires = revoked.expires_at_ms.min(revoked.revoked_at_ms + idle_ms);
                (revoked.sid, Keep::longest(millis(last_token_expires - now)))
            })
            .collect()
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.max(0) as u64)
}

/// The generation of a login's own tokens.
pub const FIRST: Presented = Presented { generation: 0, rotated_at_ms: 0 };
