//! Throttling of failed attempts: to log in, to prove a current password, and to register names that
//! are taken.
//!
//! Counters are in Redis, which all replicas share, or in this process if the service has no Redis
//! or does not reach it. They change before a password is hashed: [`Throttle::admit`] counts an
//! attempt, and [`Throttle::settle`] settles it. `domain/throttle.rs` has the rules.
//!
//! # Lanes
//!
//! A name has several counters, so that a stranger cannot lock its owner out. The client's lane
//! decides which one counts:
//!
//! - a device that presents a token of an earlier login of the user has its own counter;
//! - so has an address from which the user has logged in before;
//! - all other clients are strangers, and share one counter.
//!
//! Clients of the first two lanes are also exempt from the limit of their address, which a stranger
//! behind the same address could use up. Failures count per name rather than per user: if a username
//! and an email address had one counter, six failures would show that both belong to one user.

#[cfg(test)]
mod contract;
mod keys;
mod local;
mod outage;
mod redis;
mod types;

use std::time::{Duration, Instant};

use shared::clock::Clock;
use tokio::time::sleep;

pub use self::types::{Account, Attempt, Throttled};
use self::{
    keys::{CounterKeys, KeyMaker},
    local::LocalCounters,
    outage::Outage,
    redis::RedisCounters,
    types::NameVerdict,
};
use crate::{
    domain::{
        address::AddressPrefix,
        throttle::{KNOWN_PENDING_MS, Limits, Settlement, Verdict},
    },
    redis::Server,
};

/// Maximum time that an attempt waits for the outcome of pending ones: as long as clients wait for
/// an answer. Attempts with the right password in parallel must not be refused.
const MAX_WAIT: Duration = Duration::from_secs(10);
const _: () = assert!(KNOWN_PENDING_MS < MAX_WAIT.as_millis() as i64);
/// Time until the second look at the pending attempts. Each further look takes twice as long.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(25);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time that a refusal takes. Without it, refused clients would retry at once, and keep the cores
/// and the database busy with refusals.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// An attempt that is counted as pending. [`Throttle::settle`] settles it. Without an outcome, the
/// attempt of a stranger counts as failed, and that of a known client is cancelled.
#[derive(Debug)]
#[must_use]
pub struct Admission {
    keys: CounterKeys,
    place: Place,
    counts_name: bool,
    counts_address: bool,
}

impl Admission {
    /// Returns whether the client presents a token of an earlier login of the user, or has an
    /// address from which the user has logged in.
    pub fn is_of_known_client(&self) -> bool {
        self.keys.is_own_lane
    }
}

/// Where an attempt is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Redis,
    Local,
}

/// Counts attempts and refuses those that follow too many failures.
pub struct Throttle {
    limits: Limits,
    keys: KeyMaker,
    redis: Option<RedisCounters>,
    local: LocalCounters,
    outage: Outage,
    /// See [`MAX_WAIT`].
    max_wait: Duration,
}

impl Throttle {
    /// Creates the counters. `secret` keys the MACs in their names. Redis need not be reachable.
    pub fn new(
        limits: Limits,
        secret: &[u8; 32],
        redis: Option<(Server, &str, Duration)>,
        clock: Clock,
    ) -> Self {
        let prefix = redis.as_ref().map_or("", |(_, prefix, _)| prefix);
        let keys = KeyMaker::new(secret, prefix);
        let connect =
            |(server, _, timeout)| RedisCounters::new(server, timeout, clock.clone(), limits);
        let redis = redis.map(connect);
        let local = LocalCounters::new(clock, limits);
        Self { limits, keys, redis, local, outage: Outage::default(), max_wait: MAX_WAIT }
    }

    /// Counts an attempt as pending, before its password is hashed.
    ///
    /// # Errors
    /// [`Throttled`]. The attempt is then not counted.
    pub async fn admit(&self, attempt: &Attempt<'_>) -> Result<Admission, Throttled> {
        self.admit_keys(self.keys.of_attempt(attempt)).await
    }

    /// Counts an attempt that concerns no user, such as a registration, for its address alone.
    ///
    /// # Errors
    /// [`Throttled`]. The attempt is then not counted.
    pub async fn admit_address(&self, address: AddressPrefix) -> Result<Admission, Throttled> {
        self.admit_keys(self.keys.of_address(address)).await
    }

    /// Settles an attempt.
    pub async fn settle(&self, admission: Admission, settlement: Settlement) {
        let Admission { keys, place, counts_name, counts_address } = admission;
        let name = async {
            if counts_name {
                self.settle_name(place, &keys, settlement).await;
            }
        };
        let address = async {
            if counts_address {
                self.settle_address(place, &keys, settlement).await;
            }
        };
        tokio::join!(name, address);
    }

    /// Waits as long as a refusal takes. Callers give their place in the queue of the hash pool
    /// back first.
    pub async fn delay_refusal(&self) {
        sleep(REFUSAL_TIME).await;
    }

    async fn admit_keys(&self, mut keys: CounterKeys) -> Result<Admission, Throttled> {
        let deadline = Instant::now() + self.max_wait;
        let mut interval = MIN_POLL_INTERVAL;
        loop {
            let place = self.place();
            let (name, address) =
                tokio::join!(self.admit_name(place, &keys), self.admit_bucket(place, &keys));
            let (Some(name), Some(address)) = (name, address) else {
                // Redis has just failed. What it counted for this attempt stays.
                continue;
            };
            keys.is_own_lane |= name.is_own_lane;
            let decision = decide(name, address);
            let counted = Admission {
                counts_name: keys.has_name()
                    && self.limits.per_name > 0
                    && name.verdict == Verdict::Admitted,
                counts_address: self.limits.per_address > 0 && address == Verdict::Admitted,
                keys: keys.clone(),
                place,
            };
            if decision == Verdict::Admitted {
                return Ok(counted);
            }
            self.settle(counted, Settlement::Cancelled).await;
            match decision {
                Verdict::Refused(refusal) => return Err(Throttled::Refused(refusal)),
                _ if Instant::now() >= deadline => return Err(Throttled::Busy),
                _ => sleep(interval).await,
            }
            interval = (2 * interval).min(MAX_POLL_INTERVAL);
        }
    }

    fn place(&self) -> Place {
        if self.redis.is_some() && self.outage.may_try() { Place::Redis } else { Place::Local }
    }

    /// Returns the decision of the name's counters. `None` if Redis did not answer.
    async fn admit_name(&self, place: Place, keys: &CounterKeys) -> Option<NameVerdict> {
        if !keys.has_name() || self.limits.per_name == 0 {
            let is_own_lane = keys.is_own_lane;
            return Some(NameVerdict { verdict: Verdict::Admitted, is_own_lane });
        }
        match (place, &self.redis) {
            (Place::Redis, Some(redis)) => self.outage.observe(redis.admit_name(keys).await),
            _ => Some(self.local.admit_name(keys)),
        }
    }

    /// Returns the decision of the address's bucket. `None` if Redis did not answer.
    async fn admit_bucket(&self, place: Place, keys: &CounterKeys) -> Option<Verdict> {
        if self.limits.per_address == 0 {
            return Some(Verdict::Admitted);
        }
        match (place, &self.redis) {
            (Place::Redis, Some(redis)) => self.outage.observe(redis.admit_address(keys).await),
            _ => Some(self.local.admit_address(keys)),
        }
    }

    async fn settle_name(&self, place: Place, keys: &CounterKeys, settlement: Settlement) {
        match (place, &self.redis) {
            (Place::Redis, Some(redis)) => {
                self.outage.observe(redis.settle_name(keys, settlement).await);
            }
            _ => self.local.settle_name(keys, settlement),
        }
    }

    async fn settle_address(&self, place: Place, keys: &CounterKeys, settlement: Settlement) {
        match (place, &self.redis) {
            (Place::Redis, Some(redis)) => {
                self.outage.observe(redis.settle_address(keys, settlement).await);
            }
            _ => self.local.settle_address(keys, settlement),
        }
    }
}

/// Joins the decisions. The bucket of the address counts for strangers only.
fn decide(name: NameVerdict, address: Verdict) -> Verdict {
    match (name.verdict, address) {
        // The refusal that begins an episode is the one to report.
        (Verdict::Refused(of_name), Verdict::Refused(of_address)) => {
            Verdict::Refused(if of_address.is_first && !of_name.is_first {
                of_address
            } else {
                of_name
            })
        }
        (Verdict::Admitted, address) if !name.is_own_lane => address,
        (of_name, _) => of_name,
    }
}
