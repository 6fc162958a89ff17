//! What auth-service counts. `docs/failure-modes.md` says what to make of it.

use std::time::Duration;

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use service_kit::{
    metrics::{Counters, Labels, RequestMetrics, counters, gauge, init_counters},
    process_metrics,
};

use crate::{
    domain::{generation::RefreshDecision, session::EndCause},
    keys::signing_keys::KeyAge,
    revocation_feed::Source,
    store::{Failure, Store, Usage},
};

/// What became of a refresh. A lost answer and a theft are told apart here: [`Refresh::Retried`] is the one,
/// [`Refresh::Reused`] the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// The token was the session's newest.
    Rotated,
    /// The token had been rotated a moment ago, and its successor was not used yet.
    Retried,
    /// The token had been rotated before: the session ends.
    Reused,
    /// The session had ended.
    Revoked,
    /// The token, or its session, had come to its time.
    Expired,
    /// No refresh token of ours, or one of a user who is no more.
    Unknown,
    /// Redis, or the database where it was needed, gave no answer.
    Unavailable,
}

impl Refresh {
    const ALL: [Self; 7] = [
        Self::Rotated,
        Self::Retried,
        Self::Reused,
        Self::Revoked,
        Self::Expired,
        Self::Unknown,
        Self::Unavailable,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Retried => "retried",
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<RefreshDecision> for Refresh {
    fn from(decision: RefreshDecision) -> Self {
        match decision {
            RefreshDecision::Rotated(_) => Self::Rotated,
            RefreshDecision::RetriedInGrace(_) => Self::Retried,
            RefreshDecision::Reused => Self::Reused,
            RefreshDecision::Expired => Self::Expired,
            // Claims that went stale a second time, while the database was read.
            RefreshDecision::Revoked | RefreshDecision::StaleClaims => Self::Revoked,
        }
    }
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    Succeeded,
    /// Wrong name or password, or a user who may not log in.
    Refused,
    /// The hash pool's queue was full.
    HashPoolBusy,
    /// The database gave no answer, or there is no key to sign with.
    Unavailable,
}

impl Login {
    const ALL: [Self; 4] = [Self::Succeeded, Self::Refused, Self::HashPoolBusy, Self::Unavailable];

    fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::HashPoolBusy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What the hash pool counts.
#[derive(Clone, Debug)]
pub struct Hashing {
    /// Jobs that wait.
    pub queue: Gauge,
    /// How long they waited, in seconds.
    pub waits: Histogram,
}

impl Hashing {
    /// From a millisecond to ten seconds: the jobs in progress take that long to make room.
    const SECONDS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

    pub fn new(registry: &mut Registry) -> Self {
        let queue = gauge(registry, "hash_queue", "Logins and the like that wait for a password's hash");
        let waits = Histogram::new(Self::SECONDS);
        let help = "How long they waited until it was begun, in seconds";
        registry.register("hash_wait_seconds", help, waits.clone());
        Self { queue, waits }
    }
}

/// Everything that this process counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestMetrics,
    refreshes: Counters<1>,
    logins: Counters<1>,
    ended: Counters<1>,
    hashing: Hashing,
    listeners: Gauge,
    revocations: Gauge,
    silences: Gauges<1>,
    in_sync: Gauge,
    connections: Gauges<1>,
    connections_max: Gauge,
    connections_awaited: Gauge,
    key_age: Gauges<0>,
    next_key_in: Gauges<0>,
}

/// Gauges of which some may have nothing to tell, and are not there then.
type Gauges<const N: usize> = Family<Labels<N>, Gauge>;

/// What is not counted as it happens, but looked at when somebody asks.
#[derive(Debug)]
pub struct Readings {
    /// How many listen to the feed.
    pub listeners: usize,
    /// Of how many sessions it tells.
    pub revocations: usize,
    /// For how long nothing was heard of what ends elsewhere.
    pub silences: Vec<(Source, Duration)>,
    /// Whether the blacklist holds what the database does.
    pub is_in_sync: bool,
    /// The store's pool.
    pub connections: Usage,
    /// The key that signs, if there is one.
    pub key: Option<KeyAge>,
}

impl Metrics {
    /// Nothing counted yet, but what this store counts.
    pub fn new(store: &Store) -> Self {
        let mut registry = Registry::default();
        process_metrics::register(&mut registry, env!("CARGO_PKG_VERSION"));
        let requests = RequestMetrics::new(&mut registry);
        let auth = registry.sub_registry_with_prefix("auth");
        let refreshes = counters(
            auth,
            "refreshes",
            "Refreshes, by what became of them: retried is a lost answer, reused a theft",
            "outcome",
            Refresh::ALL.map(Refresh::name),
        );
        let logins =
            counters(auth, "logins", "Logins, by what became of them", "result", Login::ALL.map(Login::name));
        let ended = counters(
            auth,
            "sessions_ended",
            "Sessions that this process ended, by cause",
            "cause",
            EndCause::ALL.map(EndCause::name),
        );
        let hashing = Hashing::new(auth);
        let listeners = gauge(auth, "revocation_listeners", "Services that follow the revocations here");
        let revocations =
            gauge(auth, "revocations_held", "Sessions that ended lately, of which listeners are told");
        let in_sync =
            gauge(auth, "blacklist_in_sync", "1 if the blacklist holds what the database does, else 0");
        let help = "For how long this process has not heard of what ends elsewhere, by source";
        let silences = gauges(auth, "revocations_silence_seconds", help);
        let connections =
            gauges(auth, "database_connections", "Connections to the database, by what they do");
        let connections_max =
            gauge(auth, "database_connections_max", "As many connections to the database as there may be");
        let help = "RequestMetrics that wait for a connection to the database";
        let connections_awaited = gauge(auth, "database_connections_awaited", help);
        init_counters(store.failed(), "kind", Failure::ALL.map(Failure::name));
        let help = "RequestMetrics that the database failed, by how";
        auth.register("database_failures", help, store.failed().clone());
        let key_age =
            gauges(auth, "signing_key_age_seconds", "For how long the current key has been signing");
        let help = "When the next key takes over, if it is told to";
        let next_key_in = gauges(auth, "signing_key_next_seconds", help);
        Self {
            registry,
            requests,
            refreshes,
            logins,
            ended,
            hashing,
            listeners,
            revocations,
            silences,
            in_sync,
            connections,
            connections_max,
            connections_awaited,
            key_age,
            next_key_in,
        }
    }

    pub fn requests(&self) -> RequestMetrics {
        self.requests.clone()
    }

    pub fn hashing(&self) -> Hashing {
        self.hashing.clone()
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn refresh(&self, outcome: Refresh) {
        self.refreshes.get_or_create(&[("outcome", outcome.name())]).inc();
    }

    pub fn login(&self, result: Login) {
        self.logins.get_or_create(&[("result", result.name())]).inc();
    }

    pub fn ended(&self, cause: EndCause, sessions: usize) {
        self.ended.get_or_create(&[("cause", cause.name())]).inc_by(sessions as u64);
    }

    /// Takes over what is not counted as it happens.
    pub fn read(&self, now: &Readings) {
        self.listeners.set(now.listeners as i64);
        self.revocations.set(now.revocations as i64);
        for (source, silence) in &now.silences {
            let gauge = self.silences.get_or_create(&[("source", source.name())]);
            gauge.set(silence.as_secs() as i64);
        }
        self.in_sync.set(now.is_in_sync.into());
        let Usage { in_use, idle, most, waiting } = now.connections;
        self.connections.get_or_create(&[("state", "in_use")]).set(in_use.into());
        self.connections.get_or_create(&[("state", "idle")]).set(idle.into());
        self.connections_max.set(most.into());
        self.connections_awaited.set(waiting as i64);
        set_if_any(&self.key_age, now.key.map(|key| key.age));
        set_if_any(&self.next_key_in, now.key.and_then(|key| key.next_in));
    }
}

fn gauges<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Gauges<N> {
    let gauges = Gauges::default();
    registry.register(name, help, gauges.clone());
    gauges
}

fn set_if_any(gauge: &Gauges<0>, duration: Option<Duration>) {
    match duration {
        Some(duration) => drop(gauge.get_or_create(&[]).set(duration.as_secs() as i64)),
        None => gauge.clear(),
    }
}
