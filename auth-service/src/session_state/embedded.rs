//! The blacklist in the SQLite file: for one process that needs no Redis.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::{SqliteConnection, prelude::*, result::Error as DieselError};
use shared::{claims::SessionId, clock::Clock};

use super::{RefreshAttempt, Result, Retention, SessionStateError};
use crate::{
    domain::generation::{self, RefreshDecision, SessionEntry, Watermark},
    store::{AnyConnection, Store, schema::blacklist},
};

/// The table `blacklist` of the store.
pub struct Embedded {
    store: Store,
    clock: Clock,
    whole: AtomicBool,
}

impl Embedded {
    /// Keeps the blacklist in `store`, which must be SQLite. It is rebuilt at every start, for sessions may have ended
    /// while another blacklist was in use.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, whole: AtomicBool::new(false) }
    }

    pub async fn advance(&self, refresh: RefreshAttempt) -> Result<RefreshDecision> {
        if !self.is_complete() {
            return Err(SessionStateError::Incomplete);
        }
        let RefreshAttempt { sid, presented, expires_at_ms, next_expires_at_ms, claims, grace } = refresh;
        let now = self.clock.now_ms();
        self.transaction(move |connection| {
            let (known, kept_until) = read(connection, sid, now)?;
            if expires_at_ms <= now && known != Some(SessionEntry::Revoked) {
                return Ok(RefreshDecision::Expired);
            }
            let (decision, then) = generation::decide(known, presented, claims, now, grace);
            match then {
                Some(then)
                    if !matches!(decision, RefreshDecision::Revoked | RefreshDecision::StaleClaims) =>
                {
                    write(connection, sid, then, kept_until.max(expires_at_ms).max(next_expires_at_ms))?;
                }
                _ => {}
            }
            Ok(decision)
        })
        .await
    }

    pub async fn mark_stale(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        let now = self.clock.now_ms();
        self.transaction(move |connection| {
            for (sid, until_ms) in sessions {
                let (known, kept_until) = read(connection, sid, now)?;
                let watermark = match known {
                    None => Watermark::default(),
                    Some(SessionEntry::Alive(watermark)) => watermark,
                    Some(SessionEntry::Revoked) => continue,
                };
                let stale = Watermark { claims_from: Some(Watermark::NO_CLAIMS), ..watermark };
                let until = if known.is_some() { kept_until } else { until_ms };
                write(connection, sid, SessionEntry::Alive(stale), until)?;
            }
            Ok(())
        })
        .await
    }

    pub async fn entry(&self, sid: SessionId) -> Result<Option<SessionEntry>> {
        if !self.is_complete() {
            return Err(SessionStateError::Incomplete);
        }
        let now = self.clock.now_ms();
        let read = move |connection: &mut AnyConnection| read(sqlite(connection)?, sid, now);
        Ok(self.store.run(read).await?.0)
    }

    pub async fn revoke(&self, sessions: Vec<(SessionId, Retention)>) -> Result<()> {
        let now = self.clock.now_ms();
        self.transaction(move |connection| {
            for (sid, keep) in sessions {
                let (entry, kept_until) = read(connection, sid, now)?;
                // Nothing is ever lost here that the database does not lose with it, so without an entry the token
                // presented is the only one.
                if entry != Some(SessionEntry::Revoked) || keep.extend {
                    write(connection, sid, SessionEntry::Revoked, kept_until.max(keep.presented_until_ms))?;
                }
            }
            Ok(())
        })
        .await
    }

    /// How long an entry is kept from now on.
    #[cfg(test)]
    pub async fn ttl_ms(&self, sid: SessionId) -> i64 {
        let now = self.clock.now_ms();
        let read = move |connection: &mut AnyConnection| read(sqlite(connection)?, sid, now);
        self.store.run(read).await.unwrap().1 - now
    }

    pub fn is_complete(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    pub fn set_complete(&self) {
        self.whole.store(true, Ordering::Release);
    }

    pub async fn delete_expired(&self) -> Result<()> {
        let now = self.clock.now_ms();
        self.transaction(move |connection| {
            diesel::delete(blacklist::table.filter(blacklist::expires_at.le(now)))
                .execute(connection)
                .map(drop)
        })
        .await
    }

    async fn transaction<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T> {
        let run = move |connection: &mut AnyConnection| sqlite(connection)?.immediate_transaction(body);
        Ok(self.store.run(run).await?)
    }
}

fn sqlite(connection: &mut AnyConnection) -> QueryResult<&mut SqliteConnection> {
    match connection {
        AnyConnection::Sqlite(connection) => Ok(connection),
        AnyConnection::Postgres(_) => {
            Err(DieselError::QueryBuilderError("the embedded blacklist needs SQLite".into()))
        }
    }
}

/// A session's entry, and when it expires. Both are as good as missing once that time has come.
fn read(
    connection: &mut SqliteConnection,
    sid: SessionId,
    now: i64,
) -> QueryResult<(Option<SessionEntry>, i64)> {
    type Row = (Option<i64>, i64, Option<i64>, i64);
    let row: Option<Row> = blacklist::table
        .find(sid.to_string())
        .filter(blacklist::expires_at.gt(now))
        .select((blacklist::watermark, blacklist::moved_at, blacklist::claims_from, blacklist::expires_at))
        .first(connection)
        .optional()?;
    Ok(match row {
        None => (None, 0),
        Some((None, .., expires_at)) => (Some(SessionEntry::Revoked), expires_at),
        Some((Some(generation), moved_at_ms, claims_from, expires_at)) => {
            let (generation, claims_from) = (generation as u64, claims_from.map(|from| from as u64));
            (Some(SessionEntry::Alive(Watermark { generation, moved_at_ms, claims_from })), expires_at)
        }
    })
}

fn write(
    connection: &mut SqliteConnection,
    sid: SessionId,
    entry: SessionEntry,
    expires_at: i64,
) -> QueryResult<()> {
    let (generation, Watermark { moved_at_ms, claims_from, .. }) = match entry {
        SessionEntry::Alive(watermark) => (Some(watermark.generation as i64), watermark),
        SessionEntry::Revoked => (None, Watermark::default()),
    };
    diesel::replace_into(blacklist::table)
        .values((
            blacklist::session_id.eq(sid.to_string()),
            blacklist::watermark.eq(generation),
            blacklist::moved_at.eq(moved_at_ms),
            blacklist::claims_from.eq(claims_from.map(|from| from as i64)),
            blacklist::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .map(drop)
}
