//! Sessions: where the database, which is durable, and the blacklist, which is fast, meet.
//!
//! A revocation is written to the database first and to the blacklist second. When the blacklist may have missed one,
//! because it was wiped or out of reach, no refresh is answered before it has been brought up to date: see `upkeep`.

mod run_to_completion;
mod sync;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use diesel::QueryResult;
use shared::{
    VerifyError,
    claims::{AccessClaims, SessionId},
    clock::Clock,
    revocations::OutagePolicy,
};
use tokio::sync::Mutex;

use self::{run_to_completion::run_to_completion, sync::RetryPolicy};
use crate::{
    config::Settings,
    credentials::password_hash::PasswordHash,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        generation::{self, ClaimsSource, RefreshDecision, SessionEntry, TokenGeneration},
        session::{EndCause, Origin},
    },
    health::UnavailableReason,
    jobs::cleanup::Cleanup,
    metrics::Metrics,
    revocation_feed::RevocationFeed,
    session_state::{RefreshAttempt, Retention, SessionState, SessionStateError},
    store::{
        AnyConnection, Store, StoreError,
        sessions::{self as rows, Ended},
        users::{self, User},
    },
    tokens::{RefreshClaims, Session},
};

/// More reuse than this while the database is away is an attack, and the log has it.
const MAX_UNWRITTEN: usize = 10_000;

/// The generation of a login's own tokens.
pub const FIRST: TokenGeneration = TokenGeneration { generation: 0, rotated_at_ms: 0 };

/// Opens, advances and ends sessions.
pub struct Sessions {
    store: Store,
    blacklist: SessionState,
    revocations: Arc<RevocationFeed>,
    metrics: Arc<Metrics>,
    clock: Clock,
    grace: Duration,
    /// How long a request waits for the blacklist to be brought up to date.
    patience: Duration,
    leeway_ms: i64,
    cleanup: Cleanup,
    outage: OutagePolicy,
    /// Since when the blacklist is not in sync.
    out_since: std::sync::Mutex<Option<Instant>>,
    /// How long an access token lives.
    access_ms: i64,
    /// How often the blacklist gave no answer, or said that it is not whole, over connections that were not given up for it.
    outages: AtomicU64,
    /// How many doubts there were when the blacklist was last brought up to date.
    synced_at: AtomicU64,
    /// How often bringing it up to date was tried.
    attempts: AtomicU64,
    syncing: Mutex<()>,
    /// What the database has not been told yet of sessions that the blacklist has ended.
    unwritten: std::sync::Mutex<HashMap<SessionId, AuditRecord>>,
    /// Sessions used since that was last written.
    used: std::sync::Mutex<HashSet<SessionId>>,
    /// Changes of scopes and roles that were marked, by user: which, and since when.
    marked: std::sync::Mutex<HashMap<String, (i64, Instant)>>,
}

impl Sessions {
    pub fn new(
        store: Store,
        blacklist: SessionState,
        revocations: Arc<RevocationFeed>,
        metrics: Arc<Metrics>,
        clock: Clock,
        settings: &Settings,
    ) -> Self {
        Self {
            store,
            blacklist,
            revocations,
            metrics,
            clock,
            grace: settings.refresh_grace,
            patience: settings.redis_timeout,
            leeway_ms: settings.leeway.as_millis() as i64,
            cleanup: Cleanup::new(settings),
            outage: settings.redis_outage,
            out_since: std::sync::Mutex::new(Some(Instant::now())),
            access_ms: settings.access_token_lifetime.as_millis() as i64,
            // Not in sync: nobody knows what happened before this process started.
            outages: AtomicU64::new(1),
            synced_at: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            syncing: Mutex::default(),
            unwritten: std::sync::Mutex::default(),
            used: std::sync::Mutex::default(),
            marked: std::sync::Mutex::default(),
        }
    }

    /// Begins a session of a user who has just shown the password that was read. Says whether it did: the user may have
    /// changed since.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn begin(&self, session: &Session, user: User, origin: Origin) -> Result<bool, StoreError> {
        let (sid, began_ms, ends_ms) = (session.sid, session.auth_time * 1000, session.ends_at * 1000);
        let record = AuditRecord::new(AuditEvent::Login, Initiator::user(origin), self.clock.now_ms());
        let record = record.user(user.id).session(sid);
        let begin = move |connection: &mut _| {
            let began = rows::begin(connection, &user, sid, began_ms, ends_ms, &record)?;
            if began {
                record.log();
            }
            Ok(began)
        };
        self.store.run(begin).await
    }

    /// Decides on a refresh. `next_expires_at` is when the next token would expire, in seconds since the Unix epoch.
    /// A reuse ends the session, whether or not the client, which is at `origin`, waits for the answer.
    pub async fn advance(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        claims: ClaimsSource,
        next_expires_at: i64,
        origin: &Origin,
    ) -> Result<RefreshDecision, SessionStateError> {
        let (this, sub, origin) = (Arc::clone(self), presented.sub.clone(), origin.clone());
        let refresh = RefreshAttempt {
            sid: presented.sid,
            presented: presented.presented(),
            expires_at_ms: presented.exp * 1000,
            next_expires_at_ms: next_expires_at * 1000 + self.leeway_ms,
            claims,
            grace: self.grace,
        };
        run_to_completion(async move {
            // Without a grace period, the second of two questions would find the token rotated by the first.
            let again = if this.grace.is_zero() { RetryPolicy::No } else { RetryPolicy::Yes };
            let decision = this.in_sync(again, |over| this.blacklist.advance(over, refresh)).await?;
            match decision {
                RefreshDecision::Reused => this.note_reuse(refresh.sid, &sub, origin).await,
                RefreshDecision::Rotated(_) | RefreshDecision::RetriedInGrace(_) => {
                    this.note_use(refresh.sid)
                }
                RefreshDecision::StaleClaims | RefreshDecision::Expired | RefreshDecision::Revoked => {}
            }
            Ok(decision)
        })
        .await
        .unwrap_or(Err(SessionStateError::Unavailable))
    }

    async fn note_reuse(&self, sid: SessionId, sub: &str, origin: Origin) {
        log::warn!("refresh token reuse: session {sid} of user {sub} ends");
        let (cause, now) = (EndCause::Reuse, self.clock.now_ms());
        let record =
            AuditRecord::new(AuditEvent::Ended(cause), Initiator::anyone(origin), now).user(sub).session(sid);
        // The blacklist has ended it in the same step. Should this write fail, the answer is a refusal all the same, and it
        // is written later. Should the blacklist be wiped before that, the two tokens that are about betray each other.
        if let Err(why) = self.write_revocation(sid, cause, record.clone()).await {
            log::error!("the end of session {sid} is not in the database yet: {why}");
            let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            if unwritten.len() < MAX_UNWRITTEN {
                unwritten.insert(sid, record);
            }
        }
        self.revocations.publish(&[(sid, now)]).await;
    }

    /// Ends the session of `presented`, whether or not the client waits for the answer. Says whether the database
    /// knows the session. Once this has returned, no failure brings it back.
    ///
    /// # Errors
    /// If the database did not take it. The blacklist may be out of reach: it is brought up to date later.
    pub async fn log_out(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        cause: EndCause,
        by: Initiator,
    ) -> Result<bool, StoreError> {
        let (this, sid) = (Arc::clone(self), presented.sid);
        let record = AuditRecord::new(AuditEvent::Ended(cause), by, self.clock.now_ms());
        let record = record.user(&presented.sub).session(sid);
        let access_until_ms = self.clock.now_ms() + self.access_ms;
        let keep = Retention {
            // Its access tokens may be asked about for longer than the refresh token lives, if by little.
            presented_until_ms: access_until_ms.max(presented.exp * 1000) + self.leeway_ms,
            longest_until_ms: presented.session_ends_at * 1000 + self.leeway_ms,
            // Initiator the clock of whichever replica it was.
            since_ms: presented.auth_time * 1000 - self.leeway_ms,
            extend: false,
        };
        run_to_completion(async move {
            let known = this.write_revocation(sid, cause, record).await?;
            this.blacklist_ended(vec![(sid, keep)]).await;
            Ok(known)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Ends the session that an access token belongs to, as [`Sessions::log_out`] does. A client's token is a session of
    /// its own.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn end(self: &Arc<Self>, claims: &AccessClaims, by: Initiator) -> Result<(), StoreError> {
        let (sid, cause, now) = (claims.sid, EndCause::Revocation, self.clock.now_ms());
        let (of_client, token_until_ms) = (claims.is_client_token(), claims.exp * 1000);
        let record = AuditRecord::new(AuditEvent::Ended(cause), by, now).session(sid);
        let record = if of_client { record } else { record.user(&claims.sub) };
        let end = move |connection: &mut _| {
            let ended = if of_client {
                let is_new = rows::insert_revoked(connection, sid, cause, now, token_until_ms)?;
                Some(Ended { until_ms: token_until_ms, is_new })
            } else {
                rows::end(connection, sid, cause, now)?
            };
            Ok(one_ended(sid, ended, record))
        };
        self.end_those(cause, end).await.map(drop)
    }

    /// Ends all sessions of a user, as [`Sessions::log_out`] does one.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn end_all(
        self: &Arc<Self>,
        user_id: String,
        cause: EndCause,
        by: Initiator,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(cause), by, now).user(&user_id);
        let end = move |connection: &mut _| {
            let ended = rows::revoke_all(connection, &user_id, None, cause, now)?;
            let record = record.detail(rows::count(&ended));
            Ok((Some(ended), Some(record)))
        };
        self.end_those(cause, end).await.map(drop)
    }

    /// Ends a session of this user. Says whether there is such a session.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn end_one(
        self: &Arc<Self>,
        user_id: String,
        sid: SessionId,
        by: Initiator,
    ) -> Result<bool, StoreError> {
        let (cause, now) = (EndCause::EndedByOwner, self.clock.now_ms());
        let record = AuditRecord::new(AuditEvent::Ended(cause), by, now).user(&user_id).session(sid);
        let end = move |connection: &mut _| {
            let ended = rows::revoke_of(connection, &user_id, sid, cause, now)?;
            Ok(one_ended(sid, ended, record))
        };
        self.end_those(cause, end).await
    }

    /// Changes a password, which ends the user's sessions but `keep`. Says whether it did: it may have been changed
    /// meanwhile.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn change_password(
        self: &Arc<Self>,
        user_id: String,
        old: PasswordHash,
        new: PasswordHash,
        keep: Option<SessionId>,
        by: Initiator,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(EndCause::PasswordChange), by, now).user(&user_id);
        let end = move |connection: &mut _| {
            let ended = users::change_password(connection, &user_id, &old, &new, keep, now)?;
            let record = ended.as_ref().map(|ended| record.detail(rows::count(ended)));
            Ok((ended, record))
        };
        self.end_those(EndCause::PasswordChange, end).await
    }

    /// Ends what `end` says the database ended, each with the time when it would have ended at the latest; whether or not
    /// the client waits for the answer. Says whether it was anything that could be ended.
    async fn end_those(
        self: &Arc<Self>,
        cause: EndCause,
        end: impl FnOnce(&mut AnyConnection) -> QueryResult<(Option<AllEnded>, Option<AuditRecord>)>
        + Send
        + 'static,
    ) -> Result<bool, StoreError> {
        let this = Arc::clone(self);
        run_to_completion(async move {
            let end = move |connection: &mut _| {
                let (ended, record) = end(connection)?;
                Ok(((ended, record.is_some()), record))
            };
            let (Some(ended), is_new) = this.store.audited(end).await? else { return Ok(false) };
            this.metrics.ended(cause, if is_new { ended.len() } else { 0 });
            let keep = |(sid, until_ms)| (sid, Retention::until(until_ms + this.leeway_ms));
            this.blacklist_ended(ended.into_iter().map(keep).collect()).await;
            Ok(true)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Remembers that a session was used, until that is written, with all others', at the next tick.
    fn note_use(&self, sid: SessionId) {
        self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(sid);
    }

    /// Tells the blacklist, and everybody who listens. The database knows already, so neither can fail.
    async fn blacklist_ended(&self, ended: Vec<(SessionId, Retention)>) {
        let now = self.clock.now_ms();
        let told: Vec<(SessionId, i64)> = ended.iter().map(|(sid, _)| (*sid, now)).collect();
        let (blacklisted, _) = tokio::join!(self.blacklist.revoke(ended), self.revocations.publish(&told));
        if let Err(why) = blacklisted {
            self.note_outage();
            log::debug!("sessions have ended, but the blacklist does not know yet: {why}");
        }
    }

    /// Refuses a session that has ended, as far as the blacklist can tell at once. While it cannot, what this replica has
    /// heard of counts, and for all else REDIS_OUTAGE decides.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`], or [`VerifyError::RevocationsUnavailable`].
    pub async fn refuse_ended(&self, sid: SessionId) -> Result<(), VerifyError> {
        let entry = match self.connection_in_sync() {
            Some(connection) => {
                let entry = self.blacklist.entry(connection, sid).await;
                entry.inspect_err(|_| self.note_outage_of(connection))
            }
            // Not waited for.
            None => Err(SessionStateError::Unavailable),
        };
        match entry {
            Ok(Some(SessionEntry::Revoked)) => Err(VerifyError::Revoked),
            Ok(_) => Ok(()),
            Err(_) if self.revocations.knows(sid) => Err(VerifyError::Revoked),
            Err(_) if self.outage.accepts_after(self.out_for()) => Ok(()),
            Err(_) => Err(VerifyError::RevocationsUnavailable),
        }
    }

    /// Whether a session has ended, as far as the blacklist can tell once it is up to date.
    pub async fn has_surely_ended(self: &Arc<Self>, sid: SessionId) -> Result<bool, SessionStateError> {
        let entry = self.in_sync(RetryPolicy::Yes, |over| self.blacklist.entry(over, sid)).await?;
        Ok(entry == Some(SessionEntry::Revoked))
    }

    /// Whether a refresh token would be accepted now.
    pub async fn accepts(self: &Arc<Self>, presented: &RefreshClaims) -> Result<bool, SessionStateError> {
        let entry = self.in_sync(RetryPolicy::Yes, |over| self.blacklist.entry(over, presented.sid)).await?;
        let now = self.clock.now_ms();
        let (decision, _) =
            generation::decide(entry, presented.presented(), ClaimsSource::Database, now, self.grace);
        Ok(matches!(decision, RefreshDecision::Rotated(_) | RefreshDecision::RetriedInGrace(_)))
    }

    /// Whether both database and blacklist answer.
    pub async fn check(self: &Arc<Self>) -> (Result<(), UnavailableReason>, Result<(), UnavailableReason>) {
        let database = self.store.check().await;
        let blacklist = self.in_sync(RetryPolicy::Yes, |_| self.blacklist.is_complete()).await.map(drop);
        let blacklist = blacklist.map_err(|why| match (why, self.blacklist.why_not()) {
            (_, Some(why)) => why,
            // Whoever waits for it to be brought up to date may not wait until that has failed.
            (why, None) if matches!(why, SessionStateError::Store(_)) || database.is_err() => {
                UnavailableReason::Text("it needs the database, which does not answer")
            }
            (_, None) => UnavailableReason::Text("it is being brought up to date from the database"),
        });
        (database, blacklist)
    }

    /// Ends a session in the database, and says whether that knows it.
    async fn write_revocation(
        &self,
        sid: SessionId,
        cause: EndCause,
        record: AuditRecord,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let end = move |connection: &mut _| {
            let is_new = rows::revoke_recorded(connection, sid, cause, now, &record)?;
            if is_new {
                record.log();
            }
            let is_known = is_new || rows::exists(connection, sid)?;
            Ok((is_known, is_new))
        };
        let (is_known, is_new) = self.store.run(end).await?;
        self.metrics.ended(cause, is_new.into());
        Ok(is_known)
    }
}

/// Sessions that have ended, each with the time when it would have ended at the latest.
type AllEnded = Vec<(SessionId, i64)>;

/// What there is to tell and to remember of a session that was to end. That it ended is remembered once.
fn one_ended(
    sid: SessionId,
    ended: Option<Ended>,
    record: AuditRecord,
) -> (Option<AllEnded>, Option<AuditRecord>) {
    (ended.map(|ended| vec![(sid, ended.until_ms)]), ended.filter(|ended| ended.is_new).map(|_| record))
}
