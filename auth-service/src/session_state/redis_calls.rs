//! Calls of the scripts in Redis, and what their failures mean for session state.

use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ToRedisArgs, cmd};
use futures_util::future::try_join_all;
use service_kit::traces;

use super::{
    redis_keys::BUCKETS,
    types::{Result, SessionStateError},
};
use crate::{
    health::{DependencyHealth, UnavailableReason},
    redis::{Connection, RedisFailure, RedisLink, Server, refuses_writes, unavailable_reason},
};

/// Maximum number of calls in one pipeline.
const BATCH: usize = 1000;
/// Maximum length of an error text in the log. A pipeline's error has a line for each command.
const MAX_ERROR_CHARS: usize = 200;

/// Calls Redis, and records whether Redis works.
pub struct RedisCalls {
    link: RedisLink,
    timeout: Duration,
    health: DependencyHealth,
    /// Whether Redis accepts writes. Redis may answer reads and refuse writes, so only a write that
    /// succeeds at every server ends such a failure.
    write_health: DependencyHealth,
}

impl RedisCalls {
    pub fn new(server: Server, timeout: Duration, threads: usize) -> Self {
        Self {
            link: RedisLink::with_connection_per_thread(server, timeout, threads),
            timeout,
            health: DependencyHealth::new("Redis"),
            write_health: DependencyHealth::new("write access to Redis"),
        }
    }

    /// Returns the maximum time a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the epoch of the connections.
    pub fn epoch(&self) -> u64 {
        self.link.epoch()
    }

    /// Returns why Redis is unavailable. `None` while it works.
    pub fn failure_reason(&self) -> Option<UnavailableReason> {
        self.health.reason().or_else(|| self.write_health.reason())
    }

    /// Records that every server has accepted a write.
    pub fn record_writable(&self) {
        self.write_health.record_success();
    }

    /// Checks every connection, the idle ones included.
    pub async fn ping(&self) {
        self.link.ping().await;
    }

    /// Sends one command over the connections of `epoch`.
    pub async fn command_at_epoch<T: FromRedisValue>(
        &self,
        epoch: u64,
        command: &Cmd,
    ) -> Result<T> {
        let send = async |mut connection| command.query_async(&mut connection).await;
        self.checked(self.link.call_at_epoch(epoch, send)).await
    }

    /// Calls a script over the connections of `epoch`.
    pub async fn script_at_epoch<T: FromRedisValue>(
        &self,
        epoch: u64,
        script: &Script,
        call: &Cmd,
    ) -> Result<T> {
        let send = async |mut connection| match call.query_async(&mut connection).await {
            Err(error) if is_script_missing(&error) => {
                script.load_async(&mut connection).await?;
                call.query_async(&mut connection).await
            }
            answer => answer,
        };
        self.checked(self.link.call_at_epoch(epoch, send)).await
    }

    /// Calls a script several times, each call in a bucket, and returns the answers in the order
    /// of the buckets.
    ///
    /// A call may be sent twice, so the script must have the same effect then.
    pub async fn script_each<T: FromRedisValue>(
        &self,
        script: &Script,
        calls: Vec<(u8, Cmd)>,
    ) -> Result<Vec<T>> {
        let mut by_bucket = [const { Vec::new() }; BUCKETS];
        for (bucket, call) in calls {
            by_bucket[usize::from(bucket)].push(call);
        }
        let in_batches = by_bucket.iter().map(|calls| self.script_in_batches(script, calls));
        Ok(try_join_all(in_batches).await?.into_iter().flatten().collect())
    }

    /// Sends the calls of one bucket. Each batch takes one round trip to the bucket's server.
    async fn script_in_batches<T: FromRedisValue>(
        &self,
        script: &Script,
        calls: &[Cmd],
    ) -> Result<Vec<T>> {
        let mut answers = Vec::with_capacity(calls.len());
        for batch in calls.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for call in batch {
                pipeline.add_command(call.clone());
            }
            let send = async |mut connection| match pipeline
                .query_async::<Vec<T>>(&mut connection)
                .await
            {
                Err(error) if is_script_missing(&error) => {
                    script.load_async(&mut connection).await?;
                    pipeline.query_async(&mut connection).await
                }
                answer => answer,
            };
            let send = async |connection| send(connection).await.map_err(first_error);
            answers.extend(self.call(send).await?);
        }
        Ok(answers)
    }

    /// Calls Redis over the current connections.
    async fn call<T>(
        &self,
        operation: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T> {
        self.checked(async { Some(self.link.call(operation).await) }).await
    }

    /// Awaits a call, records whether Redis works, and translates the failure. `None` stands for
    /// a call that was not sent because its connections were replaced.
    async fn checked<T>(
        &self,
        call: impl Future<Output = Option<std::result::Result<T, RedisFailure>>>,
    ) -> Result<T> {
        let span = traces::span("Redis");
        let outcome = match call.await {
            Some(Ok(answer)) => {
                self.health.record_success();
                Ok(answer)
            }
            // Another server may answer now, and its data may be older.
            None => Err(SessionStateError::Incomplete),
            Some(Err(RedisFailure::Error(error))) if has_moved(&error) => {
                Err(SessionStateError::Incomplete)
            }
            Some(Err(RedisFailure::Error(error))) => {
                let reason = unavailable_reason(&error, self.timeout);
                let health = if refuses_writes(&error) { &self.write_health } else { &self.health };
                health.record_failure(&describe(&error), reason);
                Err(SessionStateError::Unavailable)
            }
            Some(Err(RedisFailure::Timeout)) => {
                let reason = UnavailableReason::Timeout(self.timeout);
                self.health.record_failure(&"no answer in time", reason);
                Err(SessionStateError::TimedOut)
            }
        };
        span.end(&outcome);
        outcome
    }
}

/// Returns a call of a script. The caller appends the arguments.
pub fn evalsha(script: &Script, keys: &[impl ToRedisArgs]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys);
    call
}

/// Returns the error of the first command of a pipeline that failed. The pipeline's error has a code
/// only if the library knows the code.
fn first_error(error: RedisError) -> RedisError {
    let errors = error.clone().into_server_errors().unwrap_or_default();
    errors.first().map_or(error, |(_, first)| first.clone().into())
}

/// Returns whether Redis does not hold the script: it was restarted, or never had it.
fn is_script_missing(error: &RedisError) -> bool {
    error.code() == Some("NOSCRIPT")
}

/// Returns whether a cluster has moved the keys to another of its servers.
fn has_moved(error: &RedisError) -> bool {
    error.code() == Some("MOVED")
}

/// Returns the part of an error that may be logged, which excludes the arguments of a command.
fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("Redis answered {code}"),
        None => error.to_string().chars().take(MAX_ERROR_CHARS).collect(),
    }
}
