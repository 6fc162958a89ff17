//! Gauges that are set when an operator reads the metrics.

use std::time::Duration;

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use service_kit::metrics::{Labels, gauge};

/// Values of the gauges.
#[derive(Debug)]
pub struct GaugeValues {
    /// Number of listeners of the revocation feed.
    pub listeners: usize,
    /// Number of ended sessions that the revocation feed holds.
    pub revocations: usize,
    /// Time since the feed last had all revocations of a source, by the source's name.
    pub silence_by_source: Vec<(&'static str, Duration)>,
    /// Whether session state holds every revocation that the database holds.
    pub is_in_sync: bool,
    /// Number of keys that Redis has evicted since its start.
    pub evicted_keys: u64,
    /// Whether Redis may evict keys.
    pub may_evict: bool,
    /// Number of database connections that are in use.
    pub connections_in_use: u32,
    /// Number of open database connections that are not in use.
    pub connections_idle: u32,
    /// Maximum number of database connections.
    pub connections_max: u32,
    /// Number of requests that wait for a database connection.
    pub connections_awaited: usize,
    /// Time since the current signing key was activated. `None` without a current key.
    pub key_age: Option<Duration>,
    /// Time until the next signing key is activated. `None` if none is scheduled.
    pub next_key_in: Option<Duration>,
    /// Number of messages in the outbox that are still to be sent, and the age of the oldest. `None`
    /// if the database does not answer.
    pub outbox: Option<(usize, Duration)>,
}

/// Gauges with labels. A gauge that was never set does not appear in the metrics.
type LabelledGauges<const N: usize> = Family<Labels<N>, Gauge>;

/// The gauges.
#[derive(Debug)]
pub struct Gauges {
    listeners: Gauge,
    revocations: Gauge,
    silences: LabelledGauges<1>,
    in_sync: Gauge,
    evicted_keys: Gauge,
    may_evict: Gauge,
    connections: LabelledGauges<1>,
    connections_max: Gauge,
    connections_awaited: Gauge,
    key_age: LabelledGauges<0>,
    next_key_in: LabelledGauges<0>,
    outbox_pending: LabelledGauges<0>,
    outbox_oldest: LabelledGauges<0>,
}

impl Gauges {
    pub fn new(registry: &mut Registry) -> Self {
        Self {
            listeners: gauge(
                registry,
                "revocation_listeners",
                "Listeners of the revocation feed at this process",
            ),
            revocations: gauge(
                registry,
                "revocations_held",
                "Recently ended sessions that the revocation feed holds",
            ),
            silences: labelled_gauges(
                registry,
                "revocations_silence_seconds",
                "Time since this process last had all revocations, by source, in seconds",
            ),
            in_sync: gauge(
                registry,
                "blacklist_in_sync",
                "1 if session state holds every revocation that the database holds, otherwise 0",
            ),
            evicted_keys: gauge(
                registry,
                "redis_evicted_keys",
                "Keys that Redis has evicted since its start",
            ),
            may_evict: gauge(
                registry,
                "redis_may_evict",
                "1 if maxmemory and maxmemory-policy let Redis evict keys, otherwise 0",
            ),
            connections: labelled_gauges(
                registry,
                "database_connections",
                "Connections to the database, by state",
            ),
            connections_max: gauge(
                registry,
                "database_connections_max",
                "Maximum number of connections to the database",
            ),
            connections_awaited: gauge(
                registry,
                "database_connections_awaited",
                "Requests that wait for a connection to the database",
            ),
            key_age: labelled_gauges(
                registry,
                "signing_key_age_seconds",
                "Time since the current signing key was activated, in seconds",
            ),
            next_key_in: labelled_gauges(
                registry,
                "signing_key_next_seconds",
                "Time until the next signing key is activated, in seconds, if one is scheduled",
            ),
            outbox_pending: labelled_gauges(
                registry,
                "outbox_pending",
                "Messages of all replicas that are still to be sent",
            ),
            outbox_oldest: labelled_gauges(
                registry,
                "outbox_oldest_seconds",
                "Age of the oldest message that is still to be sent, in seconds",
            ),
        }
    }

    pub fn set(&self, values: &GaugeValues) {
        self.listeners.set(values.listeners as i64);
        self.revocations.set(values.revocations as i64);
        for (source, silence) in &values.silence_by_source {
            set(&self.silences, ("source", source), silence.as_secs() as i64);
        }
        self.in_sync.set(values.is_in_sync.into());
        self.evicted_keys.set(values.evicted_keys as i64);
        self.may_evict.set(values.may_evict.into());
        set(&self.connections, ("state", "in_use"), values.connections_in_use.into());
        set(&self.connections, ("state", "idle"), values.connections_idle.into());
        self.connections_max.set(values.connections_max.into());
        self.connections_awaited.set(values.connections_awaited as i64);
        set_or_clear(&self.key_age, values.key_age);
        set_or_clear(&self.next_key_in, values.next_key_in);
        set_or_clear(&self.outbox_oldest, values.outbox.map(|(_, oldest)| oldest));
        match values.outbox {
            Some((pending, _)) => drop(self.outbox_pending.get_or_create(&[]).set(pending as i64)),
            None => self.outbox_pending.clear(),
        }
    }
}

fn labelled_gauges<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> LabelledGauges<N> {
    let gauges = LabelledGauges::default();
    registry.register(name, help, gauges.clone());
    gauges
}

fn set(gauges: &LabelledGauges<1>, label: (&'static str, &'static str), value: i64) {
    gauges.get_or_create(&[label]).set(value);
}

fn set_or_clear(gauge: &LabelledGauges<0>, duration: Option<Duration>) {
    match duration {
        Some(duration) => drop(gauge.get_or_create(&[]).set(duration.as_secs() as i64)),
        None => gauge.clear(),
    }
}
