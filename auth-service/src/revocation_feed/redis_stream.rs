//! How replicas tell one another: a stream in Redis, trimmed by age.

use std::time::Duration;

use redis::{ErrorKind, Pipeline, RedisError, RedisResult, cmd, streams::StreamReadReply};
use shared::claims::SessionId;
use tokio::sync::Mutex;

use super::EventId;
use crate::redis::{Connection, RedisFailure, RedisLink, Server};

/// How long one read waits for something new.
const WAIT: Duration = Duration::from_secs(2);
/// How many entries are read at once.
const PAGE: usize = 1000;

/// An entry: a session that has ended, and until when it matters.
pub type Read = (EventId, Option<(SessionId, i64)>);

/// The stream. It may lose everything: the database remembers.
pub struct Stream {
    server: Server,
    writing: RedisLink,
    /// A connection of its own, for a read that waits keeps all others waiting.
    reading: Mutex<Option<Connection>>,
    timeout: Duration,
    key: String,
}

impl Stream {
    pub fn new(server: Server, prefix: &str, timeout: Duration) -> Self {
        let (reading, key) = (Mutex::default(), format!("{prefix}revocations"));
        Self { writing: RedisLink::new(server.clone(), timeout), server, reading, timeout, key }
    }

    /// Adds sessions that have ended, each with the time until which it matters, and drops what is older than `window_ms`.
    pub async fn add(&self, ended: &[(SessionId, i64)], window_ms: i64) -> Result<(), RedisFailure> {
        for page in ended.chunks(PAGE) {
            let mut add = Pipeline::with_capacity(page.len());
            for (sid, until_ms) in page {
                let oldest = (until_ms - 2 * window_ms).max(0);
                add.cmd("XADD").arg(&self.key).arg("MINID").arg("~").arg(oldest).arg("*");
                add.arg("sid").arg(sid.to_string()).arg("until").arg(until_ms).ignore();
            }
            self.writing.ask(async |mut connection| add.exec_async(&mut connection).await).await?;
        }
        Ok(())
    }

    /// The entries after `last`, or all of them; nothing of one that is not ours. Waits a while if there are none.
    pub async fn read(&self, last: Option<EventId>) -> RedisResult<Vec<Read>> {
        let mut reading = self.reading.lock().await;
        let mut connection = match reading.take() {
            Some(connection) => connection,
            None => self.server.connect(self.timeout, WAIT + self.timeout).await?,
        };
        let last = last.map_or_else(|| "0-0".into(), |last| last.to_string());
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(PAGE).arg("BLOCK").arg(WAIT.as_millis() as u64);
        read.arg("STREAMS").arg(&self.key).arg(last);
        let reply: Option<StreamReadReply> = read.query_async(&mut connection).await?;
        // Only one that worked is used again.
        *reading = Some(connection);
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids);
        entries
            .map(|entry| {
                let id = entry.id.parse();
                let id = id.map_err(|()| RedisError::from((ErrorKind::Parse, "not the id of an entry")))?;
                let ours = || {
                    let sid = entry.get::<String>("sid")?.parse().ok()?;
                    Some((SessionId(sid), entry.get("until")?))
                };
                Ok((id, ours()))
            })
            .collect()
    }
}
