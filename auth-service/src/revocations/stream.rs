//! How replicas tell one another: a stream in Redis, trimmed by age.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, aio::MultiplexedConnection, cmd,
    streams::StreamReadReply,
};
use shared::claims::SessionId;
use tokio::sync::Mutex;

use super::EventId;
use crate::{
    config::SecretUrl,
    redis_link::{Link, NoAnswer},
};

/// How long one read waits for something new.
const WAIT: Duration = Duration::from_secs(2);
/// How many entries are read at once.
const PAGE: usize = 1000;

/// The stream. It may lose everything: the database remembers.
pub struct Stream {
    client: Client,
    writing: Link,
    /// A connection of its own, for a read that waits keeps all others waiting.
    reading: Mutex<Option<MultiplexedConnection>>,
    timeout: Duration,
    key: String,
}

impl Stream {
    pub fn new(url: &SecretUrl, prefix: &str, timeout: Duration) -> RedisResult<Self> {
        Ok(Self {
            writing: Link::new(url, timeout)?,
            client: Client::open(url.0.as_str())?,
            reading: Mutex::default(),
            timeout,
            key: format!("{prefix}revocations"),
        })
    }

    /// Adds a session that has ended, and drops what is older than `window_ms`.
    pub async fn add(&self, sid: SessionId, until_ms: i64, window_ms: i64) -> Result<(), NoAnswer> {
        let oldest = (until_ms - 2 * window_ms).max(0);
        let mut add = cmd("XADD");
        add.arg(&self.key).arg("MINID").arg("~").arg(oldest).arg("*");
        add.arg("sid").arg(sid.to_string()).arg("until").arg(until_ms);
        self.writing.ask(async |mut connection| add.query_async(&mut connection).await).await
    }

    /// The entries after `last`, or all of them. Waits a while if there are none.
    pub async fn read(&self, last: Option<EventId>) -> RedisResult<Vec<(EventId, SessionId, i64)>> {
        let mut reading = self.reading.lock().await;
        let mut connection = match reading.take() {
            Some(connection) => connection,
            None => self.connect().await?,
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
                let parsed = || {
                    let sid = entry.get::<String>("sid")?.parse().ok()?;
                    Some((entry.id.parse().ok()?, SessionId(sid), entry.get("until")?))
                };
                parsed().ok_or_else(|| RedisError::from((ErrorKind::Parse, "not an entry of ours")))
            })
            .collect()
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(WAIT + self.timeout));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}
