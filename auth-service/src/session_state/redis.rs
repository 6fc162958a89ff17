//! Session state in Redis: one key per session, and a script that decides.
//!
//! # The packed entry
//!
//! `session.lua` writes the value of a session's key, and [`parse_entry`] reads it. The value of a
//! session that has ended is the text `revoked`. The value of every other session has 11 or 16
//! bytes, with unsigned numbers in big-endian order. Every session has an entry, so size counts.
//!
//! - Bytes 0 to 4: the watermark, which is the lowest generation still accepted.
//! - Bytes 5 to 10: when the watermark last moved, in milliseconds since the Unix epoch, by Redis'
//!   clock.
//! - Bytes 11 to 15, only if the user's claims changed: the lowest generation whose claims are
//!   current. All bits are set while no generation's claims are.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use ::redis::{Cmd, Script, cmd};
use shared::{claims::SessionId, clock::Clock};
use uuid::Uuid;

use super::{
    redis_calls::{RedisCalls, evalsha},
    redis_keys::{BUCKETS, Keys, bucket_of, buckets},
    types::{Rebuild, RefreshAttempt, Result, Retention, SessionStateError},
};
use crate::{
    domain::refresh_decision::{
        ClaimsSource, RefreshDecision, SessionEntry, TokenGeneration, Watermark,
    },
    health::UnavailableReason,
    redis::{Server, info_field},
};

/// Maximum duration of a rebuild.
const REBUILD_SECONDS: u64 = 3600;
/// Value of a clock offset that is not known yet.
const UNKNOWN_OFFSET: i64 = i64::MIN;
/// Deadline of a call without one: the largest integer that Lua represents exactly.
const NO_DEADLINE_MS: i64 = 1 << 53;

/// Session state in a Redis that all replicas share.
pub struct RedisSessionState {
    calls: RedisCalls,
    keys: Keys,
    clock: Clock,
    started: Instant,
    /// Each bucket's server clock minus the time since `started`, in milliseconds, as last seen.
    clock_offsets_ms: [AtomicI64; BUCKETS],
    session: Script,
    is_complete: Script,
    begin_rebuild: Script,
    mark_complete: Script,
    info: Script,
}

/// What one Redis server reports about itself.
pub struct ServerInfo {
    /// Answer to `INFO`.
    pub info: String,
    /// Time by the server's clock, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

impl RedisSessionState {
    /// Returns session state in this Redis, with one connection for each of `threads` threads.
    ///
    /// Redis need not be reachable yet.
    pub fn new(
        server: Server,
        prefix: &str,
        timeout: Duration,
        clock: Clock,
        threads: usize,
    ) -> Self {
        Self {
            calls: RedisCalls::new(server, timeout, threads),
            keys: Keys::new(prefix),
            clock,
            started: Instant::now(),
            clock_offsets_ms: [const { AtomicI64::new(UNKNOWN_OFFSET) }; BUCKETS],
            session: Script::new(include_str!("session.lua")),
            is_complete: Script::new(include_str!("is_complete.lua")),
            begin_rebuild: Script::new(include_str!("begin_rebuild.lua")),
            mark_complete: Script::new(include_str!("mark_complete.lua")),
            info: Script::new(include_str!("info.lua")),
        }
    }

    /// See `SessionState::decide_refresh`.
    pub async fn decide_refresh(
        &self,
        epoch: u64,
        refresh: RefreshAttempt,
    ) -> Result<RefreshDecision> {
        let RefreshAttempt { sid, presented, expires_at_ms, next_expires_at_ms, claims, grace } =
            refresh;
        let deadline_ms = self
            .server_now_ms(bucket_of(sid))
            .map_or(NO_DEADLINE_MS, |now_ms| now_ms + self.calls.timeout().as_millis() as i64);
        let arguments = [
            presented.generation as i64,
            presented.rotated_at_ms,
            expires_at_ms,
            next_expires_at_ms.max(expires_at_ms),
            grace.as_millis() as i64,
            (claims == ClaimsSource::Database).into(),
            deadline_ms,
        ];
        let call = self.session_call(sid, "refresh", arguments);
        let (outcome, generation, rotated_at_ms): (String, u64, i64) =
            self.calls.script_at_epoch(epoch, &self.session, &call).await?;
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

    /// See `SessionState::entry`.
    pub async fn entry(&self, epoch: u64, sid: SessionId) -> Result<Option<SessionEntry>> {
        let mut command = cmd("MGET");
        command.arg(&self.session_keys(sid));
        let (entry, marker): (Option<Vec<u8>>, Option<String>) =
            self.calls.command_at_epoch(epoch, &command).await?;
        if marker.is_none() {
            return Err(SessionStateError::Incomplete);
        }
        Ok(entry.map(|entry| parse_entry(&entry)))
    }

    /// See `SessionState::revoke`.
    pub async fn revoke(&self, sessions: Vec<(SessionId, Retention)>) -> Result<()> {
        let call = |(sid, retention): (SessionId, Retention)| {
            let arguments = [
                retention.presented_until_ms,
                retention.longest_until_ms,
                retention.session_began_ms,
                retention.extend.into(),
            ];
            (bucket_of(sid), self.session_call(sid, "end", arguments))
        };
        let calls = sessions.into_iter().map(call).collect();
        self.calls.script_each::<()>(&self.session, calls).await.map(drop)
    }

    /// See `SessionState::mark_claims_stale`.
    pub async fn mark_claims_stale(&self, sessions: Vec<(SessionId, i64)>) -> Result<()> {
        let call = |(sid, until_ms): (SessionId, i64)| {
            (bucket_of(sid), self.session_call(sid, "mark claims stale", [until_ms]))
        };
        let calls = sessions.into_iter().map(call).collect();
        self.calls.script_each::<()>(&self.session, calls).await.map(drop)
    }

    /// See `SessionState::is_complete`. Also reads the servers' clocks, and checks every
    /// connection.
    pub async fn is_complete(&self) -> Result<bool> {
        let call = |bucket| (bucket, evalsha(&self.is_complete, &[self.keys.marker(bucket)]));
        let calls = buckets().map(call).collect();
        let answers: Vec<(bool, i64)> = self.calls.script_each(&self.is_complete, calls).await?;
        for (offset_ms, (_, server_now_ms)) in self.clock_offsets_ms.iter().zip(&answers) {
            offset_ms.store(server_now_ms - self.elapsed_ms(), Ordering::Relaxed);
        }
        self.calls.ping().await;
        Ok(answers.iter().all(|(is_complete, _)| *is_complete))
    }

    /// See `SessionState::begin_rebuild`.
    pub async fn begin_rebuild(&self) -> Result<Rebuild> {
        let rebuild = Rebuild { id: Uuid::new_v4().simple().to_string() };
        let call = |bucket| {
            let mut call = evalsha(&self.begin_rebuild, &self.rebuild_keys(bucket, &rebuild));
            call.arg(REBUILD_SECONDS);
            (bucket, call)
        };
        let calls = buckets().map(call).collect();
        self.calls.script_each::<()>(&self.begin_rebuild, calls).await?;
        Ok(rebuild)
    }

    /// See `SessionState::finish_rebuild`.
    pub async fn finish_rebuild(&self, rebuild: Rebuild) -> Result<()> {
        let call =
            |bucket| (bucket, evalsha(&self.mark_complete, &self.rebuild_keys(bucket, &rebuild)));
        let calls = buckets().map(call).collect();
        let marked: Vec<bool> = self.calls.script_each(&self.mark_complete, calls).await?;
        if marked.into_iter().all(|is_marked| is_marked) {
            Ok(())
        } else {
            Err(SessionStateError::Incomplete)
        }
    }

    /// Returns information about each server that holds a part of session state.
    pub async fn servers(&self) -> Result<Vec<ServerInfo>> {
        let call = |bucket| (bucket, evalsha(&self.info, &[self.keys.marker(bucket)]));
        let calls = buckets().map(call).collect();
        let answers: Vec<(String, i64)> = self.calls.script_each(&self.info, calls).await?;
        let server = |(info, now_ms)| ServerInfo { info, now_ms };
        let mut servers: Vec<ServerInfo> = answers.into_iter().map(server).collect();
        let run_id = |server: &ServerInfo| info_field(&server.info, "run_id").to_owned();
        servers.sort_by_key(run_id);
        servers.dedup_by_key(|server| run_id(server));
        Ok(servers)
    }

    /// See `SessionState::connection_epoch`.
    pub fn connection_epoch(&self) -> u64 {
        self.calls.epoch()
    }

    /// Returns why Redis is unavailable. `None` while it works.
    pub fn failure_reason(&self) -> Option<UnavailableReason> {
        self.calls.failure_reason()
    }

    /// Returns the remaining life of an entry, in milliseconds.
    #[cfg(test)]
    pub async fn ttl_ms(&self, sid: SessionId) -> i64 {
        let mut command = cmd("PTTL");
        command.arg(self.keys.entry(sid));
        self.calls.command_at_epoch(self.connection_epoch(), &command).await.unwrap()
    }

    /// Returns a call of `session.lua`, which unpacks the arguments.
    fn session_call<const N: usize>(
        &self,
        sid: SessionId,
        operation: &str,
        arguments: [i64; N],
    ) -> Cmd {
        let mut packed = Vec::with_capacity(8 * (1 + N));
        packed.extend(self.clock.offset_ms().to_be_bytes());
        for argument in arguments {
            packed.extend(argument.to_be_bytes());
        }
        let mut call = evalsha(&self.session, &self.session_keys(sid));
        call.arg(operation).arg(packed);
        call
    }

    fn session_keys(&self, sid: SessionId) -> [String; 2] {
        [self.keys.entry(sid), self.keys.marker(bucket_of(sid))]
    }

    fn rebuild_keys(&self, bucket: u8, rebuild: &Rebuild) -> [String; 2] {
        [self.keys.rebuild(bucket, rebuild), self.keys.marker(bucket)]
    }

    /// Returns the time by the clock of the bucket's server, in milliseconds, computed from the
    /// last answer of [`RedisSessionState::is_complete`]. `None` before the first answer.
    fn server_now_ms(&self, bucket: u8) -> Option<i64> {
        match self.clock_offsets_ms[usize::from(bucket)].load(Ordering::Relaxed) {
            UNKNOWN_OFFSET => None,
            offset_ms => Some(self.elapsed_ms() + offset_ms),
        }
    }

    fn elapsed_ms(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }
}

/// Parses a packed entry. A value that `session.lua` does not write ends the session.
fn parse_entry(entry: &[u8]) -> SessionEntry {
    const NO_CLAIMS: u64 = (1 << 40) - 1;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let claims_from = match entry.len() {
        11 => None,
        16 => Some(match number(&entry[11..]) {
            NO_CLAIMS => Watermark::NO_CLAIMS,
            generation => generation,
        }),
        _ => return SessionEntry::Revoked,
    };
    SessionEntry::Alive(Watermark {
        generation: number(&entry[..5]),
        moved_at_ms: number(&entry[5..11]) as i64,
        claims_from,
    })
}
