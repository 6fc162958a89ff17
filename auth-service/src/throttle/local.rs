//! Counters in this process: for a service without Redis, and while Redis is away.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::clock::Clock;

use super::{
    keys::{ADDRESS_MAC_BYTES, CounterKeys, NameKeys},
    types::NameVerdict,
};
use crate::domain::throttle::{
    AddressBucket, Lane, Limits, NameCounter, PENDING_MS, REFILL_MS, Settlement, Verdict,
};

/// Maximum number of entries of each kind. A client must fail once for each entry, so only a client
/// with many addresses can reach it.
const MAX_ENTRIES: usize = 100_000;
/// Maximum number of addresses that are kept for a user.
const MAX_ADDRESSES: usize = 8;
/// Time that a counter is kept after the last attempt.
const KEEP_COUNTER_MS: i64 = 30 * 86_400_000;
/// Time that a bucket is kept after the last attempt: until it is full and no attempt is pending.
const KEEP_BUCKET_MS: i64 = REFILL_MS + PENDING_MS;
/// Time that a user's addresses are kept after the last login.
const KEEP_ADDRESSES_MS: i64 = 90 * 86_400_000;

/// Counters in this process.
pub struct LocalCounters {
    clock: Clock,
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counters: Table<NameCounter>,
    buckets: Table<AddressBucket>,
    addresses: Table<Vec<[u8; ADDRESS_MAC_BYTES]>>,
}

impl LocalCounters {
    pub fn new(clock: Clock, limits: Limits) -> Self {
        Self { clock, limits, state: Mutex::default() }
    }

    /// Decides on an attempt with a name, and counts it if it is admitted.
    pub fn admit_name(&self, keys: &CounterKeys) -> NameVerdict {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let Some(name) = &keys.name else {
            return NameVerdict { verdict: Verdict::Admitted, is_own_lane: keys.is_own_lane };
        };
        let is_own_lane = keys.is_own_lane
            || keys
                .address_mac
                .is_some_and(|mac| state.addresses.get(&name.addresses, now_ms).contains(&mac));
        let (key, lane) = counter_of(name, is_own_lane);
        let mut counter = state.counters.get(key, now_ms);
        let verdict = counter.admit(lane, now_ms, self.limits.per_name);
        state.counters.put(key, counter, now_ms, KEEP_COUNTER_MS);
        NameVerdict { verdict, is_own_lane }
    }

    /// Decides on an attempt of an address, and counts it if it is admitted.
    pub fn admit_address(&self, keys: &CounterKeys) -> Verdict {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let mut bucket = state.buckets.get(&keys.bucket, now_ms);
        let verdict = bucket.admit(now_ms, self.limits.per_address);
        state.buckets.put(&keys.bucket, bucket, now_ms, KEEP_BUCKET_MS);
        verdict
    }

    /// Settles an attempt with a name. After a success, the address is one from which the user has
    /// logged in.
    pub fn settle_name(&self, keys: &CounterKeys, settlement: Settlement) {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let Some(name) = &keys.name else { return };
        let (key, lane) = counter_of(name, keys.is_own_lane);
        let mut counter = state.counters.get(key, now_ms);
        counter.settle(lane, settlement, now_ms, self.limits.per_name);
        if counter.is_zero() {
            state.counters.remove(key);
        } else {
            state.counters.put(key, counter, now_ms, KEEP_COUNTER_MS);
        }
        if let (Settlement::Succeeded, Some(mac)) = (settlement, keys.address_mac) {
            let mut addresses = state.addresses.get(&name.addresses, now_ms);
            addresses.retain(|other| *other != mac);
            addresses.insert(0, mac);
            addresses.truncate(MAX_ADDRESSES);
            state.addresses.put(&name.addresses, addresses, now_ms, KEEP_ADDRESSES_MS);
        }
    }

    /// Settles an attempt of an address.
    pub fn settle_address(&self, keys: &CounterKeys, settlement: Settlement) {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let mut bucket = state.buckets.get(&keys.bucket, now_ms);
        bucket.settle(settlement, self.limits.per_address);
        if bucket.is_full(now_ms) {
            state.buckets.remove(&keys.bucket);
        } else {
            state.buckets.put(&keys.bucket, bucket, now_ms, KEEP_BUCKET_MS);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the key of the counter, and the clients whose attempts it counts.
fn counter_of(name: &NameKeys, is_own_lane: bool) -> (&str, Lane) {
    if is_own_lane { (&name.own, Lane::Known) } else { (&name.strangers, Lane::Strangers) }
}

/// Values that expire, of a bounded number.
struct Table<T>(HashMap<String, Entry<T>>);

struct Entry<T> {
    value: T,
    expires_at_ms: i64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone + Default> Table<T> {
    fn get(&self, key: &str, now_ms: i64) -> T {
        let entry = self.0.get(key).filter(|entry| entry.expires_at_ms > now_ms);
        entry.map(|entry| entry.value.clone()).unwrap_or_default()
    }

    fn put(&mut self, key: &str, value: T, now_ms: i64, keep_ms: i64) {
        let expires_at_ms = now_ms + keep_ms;
        if let Some(entry) = self.0.get_mut(key) {
            *entry = Entry { value, expires_at_ms };
            return;
        }
        if self.0.len() >= MAX_ENTRIES {
            self.make_room(now_ms);
        }
        self.0.insert(key.to_owned(), Entry { value, expires_at_ms });
    }

    fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Removes expired entries, and an arbitrary tenth of the others if that does not suffice.
    fn make_room(&mut self, now_ms: i64) {
        self.0.retain(|_, entry| entry.expires_at_ms > now_ms);
        if self.0.len() >= MAX_ENTRIES {
            let mut number = 0;
            self.0.retain(|_, _| {
                number += 1;
                number % 10 != 0
            });
        }
    }
}
