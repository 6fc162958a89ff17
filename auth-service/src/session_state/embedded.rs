//! Session state in the SQLite file: for a single process that needs no Redis.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use diesel::{SqliteConnection, prelude::*, result::Error as DieselError};
use shared::{claims::SessionId, clock::Clock};

use super::types::{Answering, LiveSession, RefreshAttempt, Result, SessionStateError, Silence};
use crate::{
    domain::{
        outages::{MIN_SILENCE_MS, Outages},
        refresh_decision::{
            self, CurrentClaims, GracePeriod, RefreshDecision, RetriesElsewhere, SessionEntry,
            Watermark,
        },
        session::OriginHash,
    },
    store::{AnyConnection, Store, schema::blacklist},
};

/// Session state in the store's table `blacklist`.
pub struct EmbeddedSessionState {
    store: Store,
    clock: Clock,
    is_complete: AtomicBool,
    outages: Arc<Outages>,
    /// Time at which this process last answered refreshes, by the system's clock.
    answered_at_ms: AtomicI64,
}

impl EmbeddedSessionState {
    /// Returns session state in `store`, which must be SQLite.
    ///
    /// It is rebuilt at every start, because sessions may have ended while the process used Redis.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            is_complete: AtomicBool::new(false),
            outages: Arc::default(),
            answered_at_ms: AtomicI64::new(i64::MAX),
        }
    }

    /// See `SessionState::decide_refresh`.
    pub async fn decide_refresh(&self, refresh: RefreshAttempt) -> Result<RefreshDecision> {
        // After a pause of the process, a refresh may come before the next tick.
        if !self.check_complete(Answering::Yes) {
            return Err(SessionStateError::Incomplete);
        }
        let now_ms = self.clock.now_ms();
        let outages = Arc::clone(&self.outages);
        let decide =
            move |connection: &mut _| decide_refresh(connection, &refresh, now_ms, &outages);
        self.transaction(decide).await
    }

    /// See `SessionState::mark_claims_stale`.
    pub async fn mark_claims_stale(&self, sessions: Vec<LiveSession>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            for session in sessions {
                let (entry, old_until_ms) = read(connection, session.sid, now_ms)?;
                let (watermark, keep_until_ms) = match entry {
                    None => (session.watermark(), session.until_ms),
                    Some(SessionEntry::Alive(watermark)) => (watermark, old_until_ms),
                    Some(SessionEntry::Revoked) => continue,
                };
                let current_claims = CurrentClaims::OfNone;
                let stale = SessionEntry::Alive(Watermark { current_claims, ..watermark });
                write(connection, session.sid, stale, keep_until_ms)?;
            }
            Ok(())
        })
        .await
    }

    /// See `SessionState::void`.
    pub async fn void(&self, sessions: Vec<LiveSession>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            for session in sessions {
                let (entry, old_until_ms) = read(connection, session.sid, now_ms)?;
                let Some(SessionEntry::Alive(old)) = entry else { continue };
                if refresh_decision::is_of_earlier_epoch(old.generation, session.generation) {
                    let current_claims = old.current_claims;
                    let next = Watermark { current_claims, ..session.watermark() };
                    let keep_until_ms = old_until_ms.max(session.until_ms);
                    write(connection, session.sid, SessionEntry::Alive(next), keep_until_ms)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// See `SessionState::entry`.
    pub async fn entry(&self, sid: SessionId) -> Result<Option<SessionEntry>> {
        if !self.is_complete() {
            return Err(SessionStateError::Incomplete);
        }
        Ok(self.read(sid).await?.0)
    }

    /// See `SessionState::restore`.
    pub async fn restore(&self, session: LiveSession) -> Result<SessionEntry> {
        if !self.is_complete() {
            return Err(SessionStateError::Incomplete);
        }
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            if let (Some(entry), _) = read(connection, session.sid, now_ms)? {
                return Ok(entry);
            }
            let entry = SessionEntry::Alive(session.watermark());
            write(connection, session.sid, entry, session.until_ms)?;
            Ok(entry)
        })
        .await
    }

    /// See `SessionState::revoke`.
    pub async fn revoke(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            for (sid, until_ms) in sessions {
                let (entry, old_until_ms) = read(connection, sid, now_ms)?;
                if entry != Some(SessionEntry::Revoked) || until_ms > old_until_ms {
                    write(connection, sid, SessionEntry::Revoked, until_ms.max(old_until_ms))?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Returns the remaining life of an entry, in milliseconds.
    #[cfg(test)]
    pub async fn ttl_ms(&self, sid: SessionId) -> i64 {
        self.read(sid).await.unwrap().1 - self.clock.now_ms()
    }

    /// Pretends that the process has answered no refresh for this time.
    #[cfg(test)]
    pub fn pause_ms(&self, ms: i64) {
        self.answered_at_ms.store(self.system_now_ms() - ms, Ordering::Relaxed);
    }

    /// Returns whether session state was brought up to date since the start of this process.
    fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// See `SessionState::is_complete`.
    pub fn check_complete(&self, answering: Answering) -> bool {
        if answering == Answering::Yes {
            let now_ms = self.system_now_ms();
            let answered_at_ms = self.answered_at_ms.swap(now_ms, Ordering::Relaxed);
            // The process was stopped, or the machine was asleep.
            if now_ms.saturating_sub(answered_at_ms) > MIN_SILENCE_MS {
                self.outages.record(answered_at_ms + self.clock.offset_ms(), self.clock.now_ms());
            }
        }
        self.is_complete()
    }

    /// See `SessionState::record_outage`.
    pub async fn record_outage(&self, silence: Silence) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let from_ms = match silence {
            Silence::For(duration) => now_ms - duration.as_millis() as i64,
            Silence::SinceStart => {
                // An earlier process answered at least until its last rotation.
                let last = |connection: &mut AnyConnection| {
                    let last = blacklist::table.select(diesel::dsl::max(blacklist::moved_at));
                    last.first::<Option<i64>>(sqlite(connection)?)
                };
                self.store.run(last).await?.unwrap_or(now_ms)
            }
        };
        if from_ms < now_ms {
            self.outages.record(from_ms, now_ms);
        }
        self.answered_at_ms.store(self.system_now_ms(), Ordering::Relaxed);
        Ok(())
    }

    fn system_now_ms(&self) -> i64 {
        self.clock.now_ms() - self.clock.offset_ms()
    }

    /// Declares session state complete.
    pub fn set_complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// See `SessionState::delete_expired`.
    pub async fn delete_expired(&self) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            diesel::delete(blacklist::table.filter(blacklist::expires_at.le(now_ms)))
                .execute(connection)
                .map(drop)
        })
        .await
    }

    async fn read(&self, sid: SessionId) -> Result<(Option<SessionEntry>, i64)> {
        let now_ms = self.clock.now_ms();
        let read = move |connection: &mut AnyConnection| read(sqlite(connection)?, sid, now_ms);
        Ok(self.store.run(read).await?)
    }

    async fn transaction<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T> {
        let run =
            move |connection: &mut AnyConnection| sqlite(connection)?.immediate_transaction(body);
        Ok(self.store.run(run).await?)
    }
}

fn sqlite(connection: &mut AnyConnection) -> QueryResult<&mut SqliteConnection> {
    match connection {
        AnyConnection::Sqlite(connection) => Ok(connection),
        AnyConnection::Postgres(_) => {
            Err(DieselError::QueryBuilderError("embedded session state needs SQLite".into()))
        }
    }
}

fn decide_refresh(
    connection: &mut SqliteConnection,
    refresh: &RefreshAttempt,
    now_ms: i64,
    outages: &Outages,
) -> QueryResult<RefreshDecision> {
    let (old_entry, old_until_ms) = read(connection, refresh.sid, now_ms)?;
    if refresh.expires_at_ms <= now_ms && old_entry != Some(SessionEntry::Revoked) {
        return Ok(RefreshDecision::Expired);
    }
    let restored = || refresh.restored.map(|session| SessionEntry::Alive(session.watermark()));
    let grace = GracePeriod { now_ms, length: refresh.grace, outages };
    let (decision, new_entry) =
        refresh_decision::decide(old_entry.or_else(restored), &refresh.presented, &grace);
    let new_until_ms = refresh.expires_at_ms.max(refresh.next_expires_at_ms).max(old_until_ms);
    let is_ended = matches!(decision, RefreshDecision::Reused | RefreshDecision::ReusedInStep);
    if let Some(new_entry) = new_entry
        && (decision.is_accepted() || is_ended)
        && (Some(new_entry), new_until_ms) != (old_entry, old_until_ms)
    {
        write(connection, refresh.sid, new_entry, new_until_ms)?;
    }
    Ok(decision)
}

/// Returns a session's entry and the entry's expiry. An expired entry counts as missing.
fn read(
    connection: &mut SqliteConnection,
    sid: SessionId,
    now_ms: i64,
) -> QueryResult<(Option<SessionEntry>, i64)> {
    type Row = (Option<i64>, i64, Option<i64>, i64, i64, i64);
    let columns = (
        blacklist::watermark,
        blacklist::moved_at,
        blacklist::claims_from,
        blacklist::origin,
        blacklist::retries_elsewhere,
        blacklist::expires_at,
    );
    let row: Option<Row> = blacklist::table
        .find(sid.to_string())
        .filter(blacklist::expires_at.gt(now_ms))
        .select(columns)
        .first(connection)
        .optional()?;
    Ok(match row {
        None => (None, 0),
        Some((None, .., expires_at)) => (Some(SessionEntry::Revoked), expires_at),
        Some((Some(generation), moved_at_ms, claims_from, origin, retries, expires_at)) => {
            let watermark = Watermark {
                generation: generation as u64,
                moved_at_ms,
                current_claims: match claims_from {
                    None => CurrentClaims::OfAll,
                    Some(from) if from < generation => CurrentClaims::OfAll,
                    Some(from) if from == generation => CurrentClaims::FromWatermark,
                    Some(_) => CurrentClaims::OfNone,
                },
                origin: OriginHash::from_bits(origin as u32),
                retries: RetriesElsewhere {
                    earlier: (retries / 2) as u8,
                    is_counted: retries % 2 == 1,
                },
            };
            (Some(SessionEntry::Alive(watermark)), expires_at)
        }
    })
}

fn write(
    connection: &mut SqliteConnection,
    sid: SessionId,
    entry: SessionEntry,
    expires_at: i64,
) -> QueryResult<()> {
    // An ended session is a row without a watermark.
    let (generation, watermark) = match entry {
        SessionEntry::Alive(watermark) => (Some(watermark.generation as i64), watermark),
        SessionEntry::Revoked => (None, Watermark::default()),
    };
    // The first generation with current claims.
    let claims_from = match watermark.current_claims {
        CurrentClaims::OfAll => None,
        CurrentClaims::FromWatermark => generation,
        CurrentClaims::OfNone => Some(i64::MAX),
    };
    let RetriesElsewhere { earlier, is_counted } = watermark.retries;
    diesel::replace_into(blacklist::table)
        .values((
            blacklist::session_id.eq(sid.to_string()),
            blacklist::watermark.eq(generation),
            blacklist::moved_at.eq(watermark.moved_at_ms),
            blacklist::claims_from.eq(claims_from),
            blacklist::origin.eq(i64::from(watermark.origin.bits())),
            blacklist::retries_elsewhere.eq(2 * i64::from(earlier) + i64::from(is_counted)),
            blacklist::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .map(drop)
}
