//! Session state in the SQLite file: for a single process that needs no Redis.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::{SqliteConnection, prelude::*, result::Error as DieselError};
use shared::{claims::SessionId, clock::Clock};

use super::types::{RefreshAttempt, Result, Retention, SessionStateError};
use crate::{
    domain::refresh_decision::{self, RefreshDecision, SessionEntry, Watermark},
    store::{AnyConnection, Store, schema::blacklist},
};

/// Session state in the store's table `blacklist`.
pub struct EmbeddedSessionState {
    store: Store,
    clock: Clock,
    is_complete: AtomicBool,
}

impl EmbeddedSessionState {
    /// Returns session state in `store`, which must be SQLite.
    ///
    /// It is rebuilt at every start, because sessions may have ended while the process used Redis.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, is_complete: AtomicBool::new(false) }
    }

    /// See `SessionState::decide_refresh`.
    pub async fn decide_refresh(&self, refresh: RefreshAttempt) -> Result<RefreshDecision> {
        if !self.is_complete() {
            return Err(SessionStateError::Incomplete);
        }
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| decide_refresh(connection, &refresh, now_ms)).await
    }

    /// See `SessionState::mark_claims_stale`.
    pub async fn mark_claims_stale(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            for (sid, until_ms) in sessions {
                let (entry, old_until_ms) = read(connection, sid, now_ms)?;
                let watermark = match entry {
                    None => Watermark::default(),
                    Some(SessionEntry::Alive(watermark)) => watermark,
                    Some(SessionEntry::Revoked) => continue,
                };
                let claims_from = Some(Watermark::NO_CLAIMS);
                let stale = SessionEntry::Alive(Watermark { claims_from, ..watermark });
                let keep_until_ms = if entry.is_some() { old_until_ms } else { until_ms };
                write(connection, sid, stale, keep_until_ms)?;
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

    /// See `SessionState::revoke`.
    pub async fn revoke(&self, sessions: Vec<(SessionId, Retention)>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.transaction(move |connection| {
            for (sid, retention) in sessions {
                let (entry, old_until_ms) = read(connection, sid, now_ms)?;
                if entry == Some(SessionEntry::Revoked) && !retention.extend {
                    continue;
                }
                // An entry is lost only together with the database. So a session without an entry
                // has no token but the presented one.
                let keep_until_ms = old_until_ms.max(retention.presented_until_ms);
                write(connection, sid, SessionEntry::Revoked, keep_until_ms)?;
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

    /// See `SessionState::is_complete`.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
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
) -> QueryResult<RefreshDecision> {
    let (entry, old_until_ms) = read(connection, refresh.sid, now_ms)?;
    if refresh.expires_at_ms <= now_ms && entry != Some(SessionEntry::Revoked) {
        return Ok(RefreshDecision::Expired);
    }
    let (decision, new_entry) =
        refresh_decision::decide(entry, refresh.presented, refresh.claims, now_ms, refresh.grace);
    let is_unchanged = matches!(decision, RefreshDecision::Revoked | RefreshDecision::StaleClaims);
    if let Some(new_entry) = new_entry
        && !is_unchanged
    {
        let new_until_ms = refresh.expires_at_ms.max(refresh.next_expires_at_ms);
        write(connection, refresh.sid, new_entry, old_until_ms.max(new_until_ms))?;
    }
    Ok(decision)
}

/// Returns a session's entry and the entry's expiry. An expired entry counts as missing.
fn read(
    connection: &mut SqliteConnection,
    sid: SessionId,
    now_ms: i64,
) -> QueryResult<(Option<SessionEntry>, i64)> {
    type Row = (Option<i64>, i64, Option<i64>, i64);
    let columns =
        (blacklist::watermark, blacklist::moved_at, blacklist::claims_from, blacklist::expires_at);
    let row: Option<Row> = blacklist::table
        .find(sid.to_string())
        .filter(blacklist::expires_at.gt(now_ms))
        .select(columns)
        .first(connection)
        .optional()?;
    Ok(match row {
        None => (None, 0),
        Some((None, .., expires_at)) => (Some(SessionEntry::Revoked), expires_at),
        Some((Some(generation), moved_at_ms, claims_from, expires_at)) => {
            let watermark = Watermark {
                generation: generation as u64,
                moved_at_ms,
                claims_from: claims_from.map(|from| from as u64),
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
    diesel::replace_into(blacklist::table)
        .values((
            blacklist::session_id.eq(sid.to_string()),
            blacklist::watermark.eq(generation),
            blacklist::moved_at.eq(watermark.moved_at_ms),
            blacklist::claims_from.eq(watermark.claims_from.map(|from| from as i64)),
            blacklist::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .map(drop)
}
