//! Counters in a Redis that all replicas share.

use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Script, cmd};
use service_kit::traces;
use shared::clock::Clock;

use super::{keys::CounterKeys, types::NameVerdict};
use crate::{
    domain::throttle::{
        Cause, FIRST_DELAY_MS, KNOWN_PENDING_MS, LOCKED_RETRY_MS, Limits, MAX_DELAY_MS,
        MAX_FAILURES, PENDING_MS, REFILL_MS, Refusal, Settlement, Verdict, token_ms,
    },
    redis::{RedisFailure, RedisLink, Server},
};

type Result<T> = std::result::Result<T, RedisFailure>;

/// Answer of `name.lua`: the verdict, the time to wait, whether it is the first refusal for its
/// cause, and whether the counter of the client's device or address decided.
type NameAnswer = (String, i64, bool, bool);

/// Answer of `address.lua`: the verdict, the time to wait, and whether it is the first refusal.
type AddressAnswer = (String, i64, bool);

/// Counters in Redis.
pub struct RedisCounters {
    link: RedisLink,
    clock: Clock,
    limits: Limits,
    name: Script,
    address: Script,
}

impl RedisCounters {
    pub fn new(server: Server, timeout: Duration, clock: Clock, limits: Limits) -> Self {
        Self {
            link: RedisLink::new(server, timeout),
            clock,
            limits,
            name: Script::new(include_str!("name.lua")),
            address: Script::new(include_str!("address.lua")),
        }
    }

    /// See `LocalCounters::admit_name`.
    pub async fn admit_name(&self, keys: &CounterKeys) -> Result<NameVerdict> {
        let call = self.name_call(keys, "admit");
        let (verdict, retry_after_ms, is_first, is_own_lane): NameAnswer =
            self.call(&self.name, &call).await?;
        let verdict = verdict_of(&verdict, retry_after_ms, is_first);
        Ok(NameVerdict { verdict, is_own_lane })
    }

    /// See `LocalCounters::admit_address`.
    pub async fn admit_address(&self, keys: &CounterKeys) -> Result<Verdict> {
        let call = self.address_call(keys, "admit");
        let (verdict, retry_after_ms, is_first): AddressAnswer =
            self.call(&self.address, &call).await?;
        Ok(verdict_of(&verdict, retry_after_ms, is_first))
    }

    /// See `LocalCounters::settle_name`.
    pub async fn settle_name(&self, keys: &CounterKeys, settlement: Settlement) -> Result<()> {
        let call = self.name_call(keys, operation(settlement));
        self.call::<NameAnswer>(&self.name, &call).await.map(drop)
    }

    /// See `LocalCounters::settle_address`.
    pub async fn settle_address(&self, keys: &CounterKeys, settlement: Settlement) -> Result<()> {
        let call = self.address_call(keys, operation(settlement));
        self.call::<AddressAnswer>(&self.address, &call).await.map(drop)
    }

    fn name_call(&self, keys: &CounterKeys, operation: &str) -> Cmd {
        let arguments = [
            self.clock.offset_ms(),
            self.limits.per_name.into(),
            keys.is_own_lane.into(),
            MAX_FAILURES.into(),
            FIRST_DELAY_MS,
            MAX_DELAY_MS,
            LOCKED_RETRY_MS,
            PENDING_MS,
            KNOWN_PENDING_MS,
        ];
        let name = keys.name.iter().flat_map(|name| [&name.strangers, &name.own, &name.addresses]);
        let mut call = evalsha(&self.name, name, operation, &arguments);
        call.arg(keys.address_mac.as_ref().map_or(&[][..], |mac| &mac[..]));
        call
    }

    fn address_call(&self, keys: &CounterKeys, operation: &str) -> Cmd {
        let arguments =
            [self.clock.offset_ms(), token_ms(self.limits.per_address), REFILL_MS, PENDING_MS];
        evalsha(&self.address, [&keys.bucket], operation, &arguments)
    }

    async fn call<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T> {
        let span = traces::span("Redis");
        let send = async |mut connection| match call.query_async(&mut connection).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                script.load_async(&mut connection).await?;
                call.query_async(&mut connection).await
            }
            answer => answer,
        };
        let answer = self.link.call(send).await;
        span.end(&answer);
        answer
    }
}

/// Returns a call of a script, which unpacks the arguments.
fn evalsha<'a>(
    script: &Script,
    keys: impl IntoIterator<Item = &'a String>,
    operation: &str,
    arguments: &[i64],
) -> Cmd {
    let keys: Vec<&String> = keys.into_iter().collect();
    let packed: Vec<u8> = arguments.iter().flat_map(|argument| argument.to_be_bytes()).collect();
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys).arg(operation).arg(packed);
    call
}

fn verdict_of(name: &str, retry_after_ms: i64, is_first: bool) -> Verdict {
    let cause = match name {
        "admitted" => return Verdict::Admitted,
        "delayed" => Cause::Delayed,
        "locked" => Cause::Locked,
        "address" => Cause::Address,
        _ => return Verdict::Wait,
    };
    Verdict::Refused(Refusal { cause, retry_after_ms, is_first })
}

fn operation(settlement: Settlement) -> &'static str {
    match settlement {
        Settlement::Succeeded => "succeeded",
        Settlement::Failed => "failed",
        Settlement::Cancelled => "cancelled",
    }
}
