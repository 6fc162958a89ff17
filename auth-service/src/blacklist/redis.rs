//! The blacklist in Redis: one key a session, decided on by a script.
//!
//! A session's key and the marker that it is checked with must be on one node of a cluster, so keys are spread over
//! sixteen hash tags, by the session id's last digit, and each has a marker of its own.

use std::{future::Future, sync::Arc, time::Duration};

use ::redis::{
    Client, FromRedisValue, Pipeline, RedisError, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cmd,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::{claims::SessionId, clock::Clock};
use uuid::Uuid;

use super::{BlacklistError, Keep, Rebuild, Result};
use crate::{
    config::SecretUrl,
    domain::generation::{Advance, Entry, Presented},
    health::Health,
};

/// How long a rebuild may take.
const REBUILD_SECONDS: u64 = 3600;
/// How many revocations are sent at once.
const BATCH: usize = 1000;

/// A connection that all requests share, and that mends itself.
pub struct Redis {
    connection: ConnectionManager,
    prefix: String,
    timeout: Duration,
    clock: Clock,
    health: Arc<Health>,
    advance: Script,
    revoke: Script,
    mark_whole: Script,
}

impl Redis {
    /// Access to Redis at this URL. It need not be reached yet.
    pub fn new(url: &SecretUrl, prefix: &str, timeout: Duration, clock: Clock) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            // Whoever waits decides whether to try again.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(Client::open(url.0.as_str())?, config)?,
            prefix: prefix.to_owned(),
            timeout,
            clock,
            health: Arc::new(Health::new("Redis")),
            advance: Script::new(include_str!("advance.lua")),
            revoke: Script::new(include_str!("revoke.lua")),
            mark_whole: Script::new(include_str!("mark_whole.lua")),
        })
    }

    pub async fn advance(
        &self,
        sid: SessionId,
        presented: Presented,
        grace: Duration,
        ttl: Duration,
    ) -> Result<Advance> {
        let mut connection = self.connection.clone();
        let mut call = self.advance.prepare_invoke();
        call.key(self.entry_key(sid))
            .key(self.marker(bucket(sid)))
            .arg(presented.generation)
            .arg(presented.rotated_at_ms)
            .arg(grace.as_millis() as u64)
            .arg(millis(ttl))
            .arg(self.clock.offset_ms());
        let (outcome, generation, rotated_at_ms): (String, u64, i64) =
            self.within_limit(call.invoke_async(&mut connection)).await?;
        let next = Presented { generation, rotated_at_ms };
        match outcome.as_str() {
            "rotated" => Ok(Advance::Rotated(next)),
            "retried" => Ok(Advance::RetriedInGrace(next)),
            "reused" => Ok(Advance::Reused),
            "revoked" => Ok(Advance::Revoked),
            _ => Err(BlacklistError::NotWhole),
        }
    }

    pub async fn entry(&self, sid: SessionId) -> Result<Option<Entry>> {
        let keys = [self.entry_key(sid), self.marker(bucket(sid))];
        let (entry, marker): (Option<String>, Option<String>) = self.ask(cmd("MGET").arg(&keys)).await?;
        if marker.is_none() {
            return Err(BlacklistError::NotWhole);
        }
        Ok(entry.map(|entry| match entry.split_once(':') {
            Some((watermark, moved_at)) => {
                Entry::Watermark(watermark.parse().unwrap_or(0), moved_at.parse().unwrap_or(0))
            }
            None => Entry::Revoked,
        }))
    }

    pub async fn revoke(&self, sessions: Vec<(SessionId, Keep)>) -> Result<()> {
        for batch in sessions.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for (sid, keep) in batch {
                pipeline
                    .cmd("EVALSHA")
                    .arg(self.revoke.get_hash())
                    .arg(2)
                    .arg(self.entry_key(*sid))
                    .arg(self.marker(bucket(*sid)))
                    .arg(millis(keep.presented))
                    .arg(millis(keep.longest))
                    .arg(keep.since_ms)
                    .ignore();
            }
            let mut connection = self.connection.clone();
            let sent = async {
                match pipeline.exec_async(&mut connection).await {
                    Err(why) if why.to_string().contains("NOSCRIPT") || why.code() == Some("NOSCRIPT") => {
                        self.revoke.load_async(&mut connection).await?;
                        pipeline.exec_async(&mut connection).await
                    }
                    sent => sent,
                }
            };
            self.within_limit(sent).await?;
        }
        Ok(())
    }

    pub async fn is_whole(&self) -> Result<bool> {
        // One by one: in a cluster they are on different nodes.
        for bucket in buckets() {
            if !self.ask(cmd("EXISTS").arg(self.marker(bucket))).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub async fn begin_rebuild(&self) -> Result<Rebuild> {
        let rebuild = Rebuild(Uuid::new_v4().simple().to_string());
        for bucket in buckets() {
            let key = self.rebuild_key(bucket, &rebuild);
            let _: () = self.ask(cmd("SET").arg(key).arg(1).arg("EX").arg(REBUILD_SECONDS)).await?;
        }
        Ok(rebuild)
    }

    pub async fn finish_rebuild(&self, rebuild: Rebuild) -> Result<()> {
        for bucket in buckets() {
            let mut connection = self.connection.clone();
            let mut call = self.mark_whole.prepare_invoke();
            call.key(self.rebuild_key(bucket, &rebuild)).key(self.marker(bucket));
            if !self.within_limit(call.invoke_async(&mut connection)).await? {
                return Err(BlacklistError::NotWhole);
            }
        }
        Ok(())
    }

    fn entry_key(&self, sid: SessionId) -> String {
        // Base64: 22 characters instead of a UUID's 36, in every key of every session.
        format!("{}blacklist:{{{:x}}}:{}", self.prefix, bucket(sid), URL_SAFE_NO_PAD.encode(sid.0))
    }

    fn marker(&self, bucket: u8) -> String {
        format!("{}blacklist:{{{bucket:x}}}:whole-since", self.prefix)
    }

    fn rebuild_key(&self, bucket: u8, rebuild: &Rebuild) -> String {
        format!("{}blacklist:{{{bucket:x}}}:rebuild-{}", self.prefix, rebuild.0)
    }

    async fn ask<T: FromRedisValue>(&self, command: &::redis::Cmd) -> Result<T> {
        let mut connection = self.connection.clone();
        self.within_limit(command.query_async(&mut connection)).await
    }

    async fn within_limit<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => {
                self.health.is_up();
                Ok(answer)
            }
            Ok(Err(why)) => Err(self.unavailable(&describe(&why))),
            Err(_) => Err(self.unavailable("no answer in time")),
        }
    }

    fn unavailable(&self, why: &str) -> BlacklistError {
        self.health.is_down(&why);
        BlacklistError::Unavailable
    }
}

/// What may be logged of an error: never the arguments of a command.
fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("it answered {code}"),
        None => error.to_string(),
    }
}

/// At least a millisecond: Redis takes no shorter life.
fn millis(duration: Duration) -> u64 {
    (duration.as_millis() as u64).max(1)
}

fn bucket(sid: SessionId) -> u8 {
    sid.0.as_bytes()[15] & 0xf
}

fn buckets() -> std::ops::RangeInclusive<u8> {
    0..=0xf
}
