//! Session state in Redis: one key per session, and a script that decides.
//! [`packed_entry`](super::packed_entry) describes the value of a session's key.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use ::redis::{Cmd, Script, cmd};
use shared::{claims::SessionId, clock::Clock};
use uuid::Uuid;

use super::{
    packed_entry::{self, claims_number},
    redis_calls::{RedisCalls, evalsha},
    redis_keys::{BUCKETS, Keys, bucket_of, buckets},
    types::{Answering, LiveSession, Rebuild, RefreshAttempt, Result, SessionStateError, Silence},
};
use crate::{
    domain::refresh_decision::{
        ClaimsSource, RefreshDecision, Rotation, SessionEntry, TokenGeneration,
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
    record_outage: Script,
    evictions: Script,
    info: Script,
}

/// What one Redis server reports about itself.
pub struct ServerInfo {
    /// Answer to `INFO`.
    pub info: String,
    /// Time by the server's clock, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What one Redis server reports about evictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evictions {
    pub run_id: String,
    /// Number of keys that the server has evicted since its start.
    pub evicted_keys: u64,
    /// The setting `maxmemory-policy`, if the server may evict keys.
    pub policy: Option<String>,
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
            record_outage: Script::new(include_str!("record_outage.lua")),
            evictions: Script::new(include_str!("evictions.lua")),
            info: Script::new(include_str!("info.lua")),
        }
    }

    /// See `SessionState::decide_refresh`.
    pub async fn decide_refresh(
        &self,
        epoch: u64,
        refresh: RefreshAttempt,
    ) -> Result<RefreshDecision> {
        let RefreshAttempt { sid, presented, .. } = refresh;
        let mut packed = self.packed(&[
            presented.token.generation as i64,
            presented.token.rotated_at_ms,
            refresh.expires_at_ms,
            refresh.next_expires_at_ms.max(refresh.expires_at_ms),
            refresh.grace.as_millis() as i64,
            (presented.claims == ClaimsSource::Database).into(),
            (presented.rotation == Rotation::On).into(),
            self.deadline_ms(sid),
            refresh.restored.is_some().into(),
            refresh.restored.map_or(0, |row| row.generation as i64),
            refresh.restored.map_or(0, |row| row.rotated_at_ms),
            refresh.restored.map_or(0, |row| claims_number(row.current_claims)),
        ]);
        packed.extend(presented.origin.bits().to_be_bytes());
        let [entry, marker] = self.session_keys(sid);
        let outages = self.keys.outages(bucket_of(sid));
        let mut call = evalsha(&self.session, &[&*entry, &marker, outages]);
        call.arg("refresh").arg(packed);
        let (outcome, generation, rotated_at_ms): (String, u64, i64) =
            self.calls.script_at_epoch(epoch, &self.session, &call).await?;
        let next = TokenGeneration { generation, rotated_at_ms };
        match outcome.as_str() {
            "rotated" => Ok(RefreshDecision::Rotated(next)),
            "retried" => Ok(RefreshDecision::RetriedInGrace(next)),
            "retried elsewhere" => Ok(RefreshDecision::RetriedElsewhere(next)),
            "kept" => Ok(RefreshDecision::Kept),
            "stale claims" => Ok(RefreshDecision::StaleClaims),
            "absent" => Ok(RefreshDecision::Absent),
            "expired" => Ok(RefreshDecision::Expired),
            "void" => Ok(RefreshDecision::Void),
            "reused" => Ok(RefreshDecision::Reused),
            "reused in step" => Ok(RefreshDecision::ReusedInStep),
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
        Ok(entry.map(|entry| packed_entry::parse(&entry)))
    }

    /// See `SessionState::restore`.
    pub async fn restore(&self, epoch: u64, session: LiveSession) -> Result<SessionEntry> {
        let arguments = [
            session.generation as i64,
            session.rotated_at_ms,
            claims_number(session.current_claims),
            session.until_ms,
            self.deadline_ms(session.sid),
        ];
        let call = self.session_call(session.sid, "restore", &arguments);
        let entry: Vec<u8> = self.calls.script_at_epoch(epoch, &self.session, &call).await?;
        match &*entry {
            b"late" => Err(SessionStateError::Unavailable),
            b"incomplete" => Err(SessionStateError::Incomplete),
            entry => Ok(packed_entry::parse(entry)),
        }
    }

    /// See `SessionState::revoke`.
    pub async fn revoke(&self, sessions: &[(SessionId, i64)]) -> Result<()> {
        let call = |&(sid, until_ms): &(SessionId, i64)| {
            (bucket_of(sid), self.session_call(sid, "end", &[until_ms]))
        };
        let calls = sessions.iter().map(call);
        self.calls.script_each::<()>(&self.session, calls.collect()).await.map(drop)
    }

    /// See `SessionState::void`.
    pub async fn void(&self, sessions: Vec<LiveSession>) -> Result<()> {
        self.change_each("void", &sessions).await
    }

    /// See `SessionState::mark_claims_stale`.
    pub async fn mark_claims_stale(&self, sessions: &[LiveSession]) -> Result<()> {
        self.change_each("mark claims stale", sessions).await
    }

    async fn change_each(&self, operation: &str, sessions: &[LiveSession]) -> Result<()> {
        let call = |session: &LiveSession| {
            let LiveSession { sid, generation, rotated_at_ms, until_ms, .. } = *session;
            let arguments = [generation as i64, rotated_at_ms, until_ms];
            (bucket_of(sid), self.session_call(sid, operation, &arguments))
        };
        let calls = sessions.iter().map(call).collect();
        self.calls.script_each::<()>(&self.session, calls).await.map(drop)
    }

    /// See `SessionState::record_outage`.
    pub async fn record_outage(&self, silence: Silence) -> Result<()> {
        let duration_ms = match silence {
            Silence::SinceStart => -1,
            Silence::For(duration) => duration.as_millis() as i64,
        };
        let call = |bucket| {
            let mut call = evalsha(&self.record_outage, &[self.keys.outages(bucket)]);
            call.arg(duration_ms).arg(self.clock.offset_ms());
            (bucket, call)
        };
        let calls = buckets().map(call).collect();
        self.calls.script_each::<()>(&self.record_outage, calls).await.map(drop)
    }

    /// See `SessionState::evictions`.
    pub async fn evictions(&self) -> Result<Vec<Evictions>> {
        let call = |bucket| (bucket, evalsha(&self.evictions, &[self.keys.marker(bucket)]));
        let calls = buckets().map(call).collect();
        let answers: Vec<(String, u64, Option<String>)> =
            self.calls.script_each(&self.evictions, calls).await?;
        let evictions = |(run_id, evicted_keys, policy)| Evictions { run_id, evicted_keys, policy };
        let mut servers: Vec<Evictions> = answers.into_iter().map(evictions).collect();
        servers.sort_by(|a, b| a.run_id.cmp(&b.run_id));
        servers.dedup_by(|a, b| a.run_id == b.run_id);
        Ok(servers)
    }

    /// See `SessionState::is_complete`. Also reads the servers' clocks, and checks every
    /// connection.
    pub async fn is_complete(&self, answering: Answering) -> Result<bool> {
        let call = |bucket| {
            let marker = self.keys.marker(bucket);
            let mut call = evalsha(&self.is_complete, &[&*marker, self.keys.outages(bucket)]);
            call.arg(i64::from(answering == Answering::Yes)).arg(self.clock.offset_ms());
            (bucket, call)
        };
        let calls = buckets().map(call).collect();
        let answers: Vec<(bool, i64)> = self.calls.script_each(&self.is_complete, calls).await?;
        for (offset_ms, (_, server_now_ms)) in self.clock_offsets_ms.iter().zip(&answers) {
            offset_ms.store(server_now_ms - self.elapsed_ms(), Ordering::Relaxed);
        }
        // Every server has accepted a write.
        self.calls.record_writable();
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
    fn session_call(&self, sid: SessionId, operation: &str, arguments: &[i64]) -> Cmd {
        let mut call = evalsha(&self.session, &self.session_keys(sid));
        call.arg(operation).arg(self.packed(arguments));
        call
    }

    /// Packs arguments for `session.lua`, after the offset of a test's clock.
    fn packed(&self, arguments: &[i64]) -> Vec<u8> {
        // Room for an origin at the end.
        let mut packed = Vec::with_capacity(8 * (1 + arguments.len()) + 4);
        packed.extend(self.clock.offset_ms().to_be_bytes());
        for argument in arguments {
            packed.extend(argument.to_be_bytes());
        }
        packed
    }

    /// Returns the time by Redis' clock at which the caller gives up.
    fn deadline_ms(&self, sid: SessionId) -> i64 {
        let now_ms = self.server_now_ms(bucket_of(sid));
        now_ms.map_or(NO_DEADLINE_MS, |now_ms| now_ms + self.calls.timeout().as_millis() as i64)
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
