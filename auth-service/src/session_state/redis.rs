//! The blacklist in Redis: one key a session, decided on by a script.
//!
//! A session's key and the marker that it is checked with must be on one node of a cluster, so keys are spread over
//! sixteen hash tags, by the session id's last digit, and each has a marker of its own.

use std::{
    array,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use ::redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Script, cmd};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::try_join_all;
use service_kit::traces;
use shared::{claims::SessionId, clock::Clock};
use uuid::Uuid;

use super::{Rebuild, RefreshAttempt, Result, Retention, SessionStateError};
use crate::{
    domain::generation::{ClaimsSource, RefreshDecision, SessionEntry, TokenGeneration, Watermark},
    health::{DependencyHealth, UnavailableReason},
    redis::{Connection, RedisFailure, RedisLink, Server, reason},
};

/// How long a rebuild may take.
const REBUILD_SECONDS: u64 = 3600;
/// What stands for a clock that was never seen.
const NEVER_SEEN: i64 = i64::MIN;
/// As late as Lua can count.
const NO_DEADLINE_MS: i64 = 1 << 53;
/// How many calls are sent at once.
const BATCH: usize = 1000;
/// How many hash tags the keys are spread over: all values of a session id's last digit.
const BUCKETS: usize = 16;

/// Redis, as all replicas share it.
pub struct Redis {
    link: RedisLink,
    /// What the keys of each bucket begin with.
    starts: [String; BUCKETS],
    timeout: Duration,
    clock: Clock,
    health: DependencyHealth,
    started: Instant,
    /// How far Redis' clock was ahead of `started`, when it was last seen, in milliseconds. A bucket's may be on a server of
    /// its own.
    server_ahead_ms: [AtomicI64; BUCKETS],
    session: Script,
    is_complete: Script,
    begin_rebuild: Script,
    mark_complete: Script,
    info: Script,
}

impl Redis {
    /// Access to this Redis, which so many threads ask. It need not be reached yet.
    pub fn new(server: Server, prefix: &str, timeout: Duration, clock: Clock, threads: usize) -> Self {
        Self {
            link: RedisLink::of_threads(server, timeout, threads),
            starts: array::from_fn(|bucket| format!("{prefix}bl{{{bucket:x}}}:")),
            timeout,
            clock,
            health: DependencyHealth::new("Redis"),
            started: Instant::now(),
            server_ahead_ms: [const { AtomicI64::new(NEVER_SEEN) }; BUCKETS],
            session: Script::new(include_str!("session.lua")),
            is_complete: Script::new(include_str!("is_complete.lua")),
            begin_rebuild: Script::new(include_str!("begin_rebuild.lua")),
            mark_complete: Script::new(include_str!("mark_complete.lua")),
            info: Script::new(include_str!("info.lua")),
        }
    }

    pub async fn advance(&self, over: u64, refresh: RefreshAttempt) -> Result<RefreshDecision> {
        let RefreshAttempt { sid, presented, expires_at_ms, next_expires_at_ms, claims, grace } = refresh;
        let deadline_ms = self
            .server_now_ms(bucket(sid))
            .map_or(NO_DEADLINE_MS, |now| now + self.timeout.as_millis() as i64);
        let call = self.happens(
            sid,
            "refresh",
            [
                presented.generation as i64,
                presented.rotated_at_ms,
                expires_at_ms,
                next_expires_at_ms.max(expires_at_ms),
                grace.as_millis() as i64,
                (claims == ClaimsSource::Database).into(),
                deadline_ms,
            ],
        );
        let asked = async |mut connection| match call.query_async(&mut connection).await {
            Err(why) if is_unknown(&why) => {
                self.session.load_async(&mut connection).await?;
                call.query_async(&mut connection).await
            }
            answer => answer,
        };
        let (outcome, generation, rotated_at_ms): (String, u64, i64) = self.ask_over(over, asked).await?;
        let next = TokenGeneration { generation, rotated_at_ms };
        match outcome.as_str() {
            "rotated" => Ok(RefreshDecision::Rotated(next)),
            "retried" => Ok(RefreshDecision::RetriedInGrace(next)),
            "stale claims" => Ok(RefreshDecision::StaleClaims),
            "expired" => Ok(RefreshDecision::Expired),
            "reused" => Ok(RefreshDecision::Reused),
            "revoked" => Ok(RefreshDecision::Revoked),
            "late" => Err(SessionStateError::Unavailable),
            _ => Err(SessionStateError::Incomplete),
        }
    }

    pub async fn entry(&self, over: u64, sid: SessionId) -> Result<Option<SessionEntry>> {
        let keys = [self.entry_key(sid), self.marker(bucket(sid))];
        let mut asked = cmd("MGET");
        asked.arg(&keys);
        let (entry, marker): (Option<Vec<u8>>, Option<String>) =
            self.ask_over(over, async |mut connection| asked.query_async(&mut connection).await).await?;
        if marker.is_none() {
            return Err(SessionStateError::Incomplete);
        }
        Ok(entry.map(|entry| parse_entry(&entry)))
    }

    pub async fn revoke(&self, sessions: Vec<(SessionId, Retention)>) -> Result<()> {
        let call = |(sid, keep): (SessionId, Retention)| {
            let Retention { presented_until_ms, longest_until_ms, since_ms, extend } = keep;
            let numbers = [presented_until_ms, longest_until_ms, since_ms, extend.into()];
            (bucket(sid), self.happens(sid, "end", numbers))
        };
        self.call_each::<()>(&self.session, sessions.into_iter().map(call).collect()).await.map(drop)
    }

    pub async fn mark_stale(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        let call = |(sid, until_ms): (SessionId, i64)| (bucket(sid), self.happens(sid, "stale", [until_ms]));
        self.call_each::<()>(&self.session, sessions.into_iter().map(call).collect()).await.map(drop)
    }

    /// What happens to a session, with what `session.lua` is to know of it.
    fn happens<const N: usize>(&self, sid: SessionId, what: &str, numbers: [i64; N]) -> Cmd {
        let mut packed = Vec::with_capacity(8 * (1 + N));
        packed.extend(self.clock.offset_ms().to_be_bytes());
        numbers.iter().for_each(|number| packed.extend(number.to_be_bytes()));
        let mut call = evalsha(&self.session, &[self.entry_key(sid), self.marker(bucket(sid))]);
        call.arg(what).arg(packed);
        call
    }

    pub async fn is_complete(&self) -> Result<bool> {
        let call = |bucket| (bucket, evalsha(&self.is_complete, &[self.marker(bucket)]));
        let answers: Vec<(bool, i64)> =
            self.call_each(&self.is_complete, buckets().map(call).collect()).await?;
        for (ahead_ms, (_, server_now_ms)) in self.server_ahead_ms.iter().zip(&answers) {
            ahead_ms.store(server_now_ms - self.elapsed_ms(), Ordering::Relaxed);
        }
        self.link.ping().await;
        Ok(answers.iter().all(|(whole, _)| *whole))
    }

    pub async fn begin_rebuild(&self) -> Result<Rebuild> {
        let rebuild = Rebuild(Uuid::new_v4().simple().to_string());
        let mut calls = Vec::new();
        for bucket in buckets() {
            let keys = [self.rebuild_key(bucket, &rebuild), self.marker(bucket)];
            let mut call = evalsha(&self.begin_rebuild, &keys);
            call.arg(REBUILD_SECONDS);
            calls.push((bucket, call));
        }
        self.call_each::<()>(&self.begin_rebuild, calls).await?;
        Ok(rebuild)
    }

    pub async fn finish_rebuild(&self, rebuild: Rebuild) -> Result<()> {
        let calls = buckets()
            .map(|bucket| {
                let keys = [self.rebuild_key(bucket, &rebuild), self.marker(bucket)];
                (bucket, evalsha(&self.mark_complete, &keys))
            })
            .collect();
        let marked: Vec<bool> = self.call_each(&self.mark_complete, calls).await?;
        if marked.iter().all(|marked| *marked) { Ok(()) } else { Err(SessionStateError::Incomplete) }
    }

    /// What each server that has a part of the blacklist says of itself (`INFO`), and what time it is there, in milliseconds
    /// since the Unix epoch.
    pub async fn servers(&self) -> Result<Vec<(String, i64)>> {
        let call = |bucket| (bucket, evalsha(&self.info, &[self.marker(bucket)]));
        let mut servers: Vec<(String, i64)> =
            self.call_each(&self.info, buckets().map(call).collect()).await?;
        let id = |(info, _): &(String, i64)| info_field(info, "run_id").to_owned();
        servers.sort_by_key(id);
        servers.dedup_by_key(|server| id(server));
        Ok(servers)
    }

    /// See [`super::SessionState::connection`].
    pub fn connection(&self) -> u64 {
        self.link.number()
    }

    /// Why Redis does not answer. `None` while it does.
    pub fn why_not(&self) -> Option<UnavailableReason> {
        self.health.reason()
    }

    /// How long an entry is kept from now on.
    #[cfg(test)]
    pub async fn ttl_ms(&self, sid: SessionId) -> i64 {
        let mut asked = cmd("PTTL");
        asked.arg(self.entry_key(sid));
        self.ask(async |mut connection| asked.query_async(&mut connection).await).await.unwrap()
    }

    /// What time it is by the clock of the Redis that has this bucket, in milliseconds, as far as can be told without
    /// asking. `None` if it was never seen.
    fn server_now_ms(&self, bucket: u8) -> Option<i64> {
        match self.server_ahead_ms[usize::from(bucket)].load(Ordering::Relaxed) {
            NEVER_SEEN => None,
            ahead => Some(self.elapsed_ms() + ahead),
        }
    }

    fn elapsed_ms(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }

    fn key(&self, bucket: u8, name: &str) -> String {
        [&*self.starts[usize::from(bucket)], name].concat()
    }

    fn entry_key(&self, sid: SessionId) -> String {
        // 28 characters: every session has such a key, and Redis' allocator gives those up to 28 bytes the same 32.
        self.key(bucket(sid), &URL_SAFE_NO_PAD.encode(sid.0))
    }

    fn marker(&self, bucket: u8) -> String {
        self.key(bucket, "whole-since")
    }

    fn rebuild_key(&self, bucket: u8, rebuild: &Rebuild) -> String {
        self.key(bucket, &format!("rebuild-{}", rebuild.0))
    }

    /// Calls a script many times, each call for a bucket, and answers in the buckets' order. It must be one that may be
    /// called twice with the same arguments.
    async fn call_each<T: FromRedisValue>(&self, script: &Script, calls: Vec<(u8, Cmd)>) -> Result<Vec<T>> {
        let mut by_bucket = [const { Vec::new() }; BUCKETS];
        calls.into_iter().for_each(|(bucket, call)| by_bucket[usize::from(bucket)].push(call));
        let in_portions = by_bucket.iter().map(|calls| self.call_in_portions(script, calls));
        Ok(try_join_all(in_portions).await?.into_iter().flatten().collect())
    }

    /// Each portion takes one round trip, to the one server that has the bucket.
    async fn call_in_portions<T: FromRedisValue>(&self, script: &Script, calls: &[Cmd]) -> Result<Vec<T>> {
        let mut answers = Vec::with_capacity(calls.len());
        for portion in calls.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(portion.len());
            for call in portion {
                pipeline.add_command(call.clone());
            }
            let sent = async |mut connection| match pipeline.query_async::<Vec<T>>(&mut connection).await {
                Err(why) if is_unknown(&why) => {
                    script.load_async(&mut connection).await?;
                    pipeline.query_async(&mut connection).await
                }
                sent => sent,
            };
            answers.extend(self.ask(sent).await?);
        }
        Ok(answers)
    }

    async fn ask<T>(&self, question: impl AsyncFnOnce(Connection) -> RedisResult<T>) -> Result<T> {
        self.answer(async { Some(self.link.ask(question).await) }).await
    }

    async fn ask_over<T>(
        &self,
        connection: u64,
        question: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T> {
        self.answer(self.link.ask_over(connection, question)).await
    }

    /// What came of a question, if it was asked at all; and whether Redis is up is noted.
    async fn answer<T>(
        &self,
        asked: impl Future<Output = Option<std::result::Result<T, RedisFailure>>>,
    ) -> Result<T> {
        let part = traces::span("Redis");
        let outcome = match asked.await {
            Some(Ok(answer)) => {
                self.health.record_success();
                Ok(answer)
            }
            // Nothing was done, and it is another server now whose data count.
            None => Err(SessionStateError::Incomplete),
            Some(Err(RedisFailure::Error(why))) if has_moved(&why) => Err(SessionStateError::Incomplete),
            Some(Err(RedisFailure::Error(why))) => {
                self.health.record_failure(&describe(&why), reason(&why, self.timeout));
                Err(SessionStateError::Unavailable)
            }
            Some(Err(RedisFailure::Timeout)) => {
                self.health.record_failure(&"no answer in time", UnavailableReason::Timeout(self.timeout));
                Err(SessionStateError::TimedOut)
            }
        };
        part.end(&outcome);
        outcome
    }
}

/// A field of what a server says of itself. Empty if it does not say.
pub fn info_field<'a>(info: &'a str, name: &str) -> &'a str {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
}

fn evalsha(script: &Script, keys: &[String]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys);
    call
}

/// What `session.lua` writes. What it does not write cannot be understood, and is not trusted.
fn parse_entry(entry: &[u8]) -> SessionEntry {
    const NO_CLAIMS: u64 = (1 << 40) - 1;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let claims_from = match entry.len() {
        11 => None,
        16 => Some(match number(&entry[11..]) {
            NO_CLAIMS => Watermark::NO_CLAIMS,
            from => from,
        }),
        _ => return SessionEntry::Revoked,
    };
    let (generation, moved_at_ms) = (number(&entry[..5]), number(&entry[5..11]) as i64);
    SessionEntry::Alive(Watermark { generation, moved_at_ms, claims_from })
}

/// Whether Redis does not know the script: it was started anew, or is asked for the first time.
fn is_unknown(error: &RedisError) -> bool {
    error.code() == Some("NOSCRIPT")
}

/// Whether a cluster has given the keys to another of its servers.
fn has_moved(error: &RedisError) -> bool {
    error.code() == Some("MOVED")
}

/// What may be logged of an error: never the arguments of a command.
fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("it answered {code}"),
        // A pipeline's text has a line for each of its commands.
        None => error.to_string().chars().take(200).collect(),
    }
}

fn bucket(sid: SessionId) -> u8 {
    sid.0.as_bytes()[15] & 0xf
}

fn buckets() -> std::ops::Range<u8> {
    0..BUCKETS as u8
}
