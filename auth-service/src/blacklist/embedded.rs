//! The blacklist in the SQLite file: for one process that needs no Redis.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use diesel::{SqliteConnection, prelude::*, result::Error as DieselError};
use shared::{claims::SessionId, clock::Clock};

use super::{BlacklistError, Keep, Result};
use crate::{
    domain::generation::{self, Advance, Entry, Presented},
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

    pub async fn advance(
        &self,
        sid: SessionId,
        presented: Presented,
        grace: Duration,
        ttl: Duration,
    ) -> Result<Advance> {
        if !self.is_whole() {
            return Err(BlacklistError::NotWhole);
        }
        let now = self.clock.now_ms();
        self.transaction(move |connection| {
            let (entry, expires_at) = read(connection, sid, now)?;
            let decision = generation::advance(entry, presented, now, grace);
            let entry = match decision {
                Advance::Rotated(next) | Advance::RetriedInGrace(next) => {
                    Entry::Watermark(next.generation, next.rotated_at_ms)
                }
                Advance::Reused => Entry::Revoked,
                Advance::Revoked => return Ok(decision),
            };
            write(connection, sid, entry, expires_at.max(now + ttl.as_millis() as i64))?;
            Ok(decision)
        })
        .await
    }

    pub async fn entry(&self, sid: SessionId) -> Result<Option<Entry>> {
        if !self.is_whole() {
            return Err(BlacklistError::NotWhole);
        }
        let now = self.clock.now_ms();
        let read = move |connection: &mut AnyConnection| read(sqlite(connection)?, sid, now);
        Ok(self.store.run(read).await?.0)
    }

    pub async fn revoke(&self, sessions: Vec<(SessionId, Keep)>) -> Result<()> {
        let now = self.clock.now_ms();
        self.transaction(move |connection| {
            for (sid, keep) in sessions {
                let (entry, expires_at) = read(connection, sid, now)?;
                // Nothing is ever lost here that the database does not lose with it, so without an entry the token
                // presented is the only one.
                let keep = if keep.since_ms == 0 { keep.longest } else { keep.presented };
                if entry != Some(Entry::Revoked) {
                    write(connection, sid, Entry::Revoked, expires_at.max(now + keep.as_millis() as i64))?;
                }
            }
            Ok(())
        })
        .await
    }

    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    pub fn set_whole(&self) {
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
fn read(connection: &mut SqliteConnection, sid: SessionId, now: i64) -> QueryResult<(Option<Entry>, i64)> {
    let row: Option<(Option<i64>, i64, i64)> = blacklist::table
        .find(sid.to_string())
        .filter(blacklist::expires_at.gt(now))
        .select((blacklist::watermark, blacklist::moved_at, blacklist::expires_at))
        .first(connection)
        .optional()?;
    Ok(match row {
        None => (None, 0),
        Some((Some(watermark), moved_at, expires_at)) => {
            (Some(Entry::Watermark(watermark as u64, moved_at)), expires_at)
        }
        Some((None, _, expires_at)) => (Some(Entry::Revoked), expires_at),
    })
}

fn write(
    connection: &mut SqliteConnection,
    sid: SessionId,
    entry: Entry,
    expires_at: i64,
) -> QueryResult<()> {
    let (watermark, moved_at) = match entry {
        Entry::Watermark(watermark, moved_at) => (Some(watermark as i64), moved_at),
        Entry::Revoked => (None, 0),
    };
    diesel::replace_into(blacklist::table)
        .values((
            blacklist::session_id.eq(sid.to_string()),
            blacklist::watermark.eq(watermark),
            blacklist::moved_at.eq(moved_at),
            blacklist::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .map(drop)
}
