//! The stream in Redis by which replicas receive each other's events. It is trimmed by age.

use std::time::Duration;

use redis::{
    ErrorKind, Pipeline, RedisError, RedisResult, cmd,
    streams::{StreamId, StreamReadReply},
};
use shared::claims::SessionId;
use tokio::sync::Mutex;

use super::event::EventId;
use crate::redis::{Connection, RedisFailure, RedisLink, Server};

/// Maximum time a read waits for a new entry.
const WAIT: Duration = Duration::from_secs(2);
/// Maximum number of entries in one read or write.
const PAGE: usize = 1000;

/// An entry of the stream.
pub struct StreamEntry {
    pub id: EventId,
    /// The ended session, and the time until which listeners refuse its tokens. `None` if the
    /// entry cannot be parsed.
    pub ended: Option<(SessionId, i64)>,
}

/// The stream. It may lose everything, because the database has all events too.
pub struct Stream {
    server: Server,
    writer: RedisLink,
    /// A separate connection, because a read that waits blocks the calls after it.
    reader: Mutex<Option<Connection>>,
    /// Maximum time a call to Redis may take.
    pub(super) timeout: Duration,
    key: String,
}

impl Stream {
    pub fn new(server: Server, key_prefix: &str, timeout: Duration) -> Self {
        Self {
            writer: RedisLink::new(server.clone(), timeout),
            reader: Mutex::default(),
            server,
            timeout,
            key: format!("{key_prefix}revocations"),
        }
    }

    /// Adds ended sessions, each with the time until which listeners refuse its tokens. Removes
    /// entries that are older than `window_ms`.
    pub async fn add(
        &self,
        ended: &[(SessionId, i64)],
        window_ms: i64,
    ) -> Result<(), RedisFailure> {
        for page in ended.chunks(PAGE) {
            let mut add = Pipeline::with_capacity(page.len());
            for (sid, until_ms) in page {
                // The session ended at `until_ms - window_ms`.
                let oldest_id = (until_ms - 2 * window_ms).max(0);
                add.cmd("XADD").arg(&self.key).arg("MINID").arg("~").arg(oldest_id).arg("*");
                add.arg("sid").arg(sid.to_string()).arg("until").arg(until_ms).ignore();
            }
            self.writer.call(async |mut connection| add.exec_async(&mut connection).await).await?;
        }
        Ok(())
    }

    /// Returns the entries after `last`, or from the start. Waits for up to [`WAIT`] if the stream
    /// has none.
    pub async fn read(&self, last: Option<EventId>) -> RedisResult<Vec<StreamEntry>> {
        let mut reader = self.reader.lock().await;
        let mut connection = match reader.take() {
            Some(connection) => connection,
            None => self.server.connect(self.timeout, WAIT + self.timeout).await?,
        };
        let last = last.map_or_else(|| "0-0".into(), |last| last.to_string());
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(PAGE).arg("BLOCK").arg(WAIT.as_millis() as u64);
        read.arg("STREAMS").arg(&self.key).arg(last);
        let reply: Option<StreamReadReply> = read.query_async(&mut connection).await?;
        // Kept only after a read that succeeded.
        *reader = Some(connection);
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        streams.flat_map(|stream| stream.ids).map(parse_entry).collect()
    }
}

fn parse_entry(entry: StreamId) -> RedisResult<StreamEntry> {
    let invalid_id = |()| RedisError::from((ErrorKind::Parse, "an entry with an invalid id"));
    let id = entry.id.parse().map_err(invalid_id)?;
    let ended = || {
        let sid = entry.get::<String>("sid")?.parse().ok()?;
        Some((SessionId(sid), entry.get("until")?))
    };
    Ok(StreamEntry { id, ended: ended() })
}
