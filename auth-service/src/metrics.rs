//! What auth-service counts. `docs/failure-modes.md` says what to make of it.

use std::time::Duration;

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use service_kit::{
    metrics::{Counters, Labels, RequestMetrics, begin, counters, gauge},
    process_metrics,
};

use crate::domain::{generation::RefreshDecision, session::EndCause};

/// What became of a refresh. A lost answer and a theft are told apart here: [`RefreshOutcome::Retried`] is the one,
/// [`RefreshOutcome::Reused`] the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
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

impl RefreshOutcome {
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

impl From<RefreshDecision> for RefreshOutcome {
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
pub enum LoginOutcome {
    Succeeded,
    /// Wrong name or password, or a user who may not log in.
    Refused,
    /// The hash pool's queue was full.
    HashPoolBusy,
    /// The database gave no answer, or there is no key to sign with.
    Unavailable,
}

impl LoginOutcome {
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
pub struct HashPoolMetrics {
    /// Jobs that wait.
    pub queue: Gauge,
    /// How long they waited, in seconds.
    pub waits: Histogram,
}

impl HashPoolMetrics {
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
    hashing: HashPoolMetrics,
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
pub struct GaugeValues {
    /// How many listen to the feed.
    pub listeners: usize,
    /// Of how many sessions it tells.
    pub revocations: usize,
    /// Time since each source last delivered all revocations, by the source's name.
    pub silence_by_source: Vec<(&'static str, Duration)>,
    /// Whether session state holds what the database holds.
    pub is_in_sync: bool,
    pub connections_in_use: u32,
    pub connections_idle: u32,
    /// Size of the pool of database connections.
    pub connections_max: u32,
    /// Number of requests that wait for a database connection.
    pub connections_awaited: usize,
    /// Age of the current signing key. `None` without a current key.
    pub key_age: Option<Duration>,
    /// Time until the next signing key is activated. `None` if no key has an activation time ahead.
    pub next_key_in: Option<Duration>,
}

impl Metrics {
    /// Nothing counted yet, but what this store counts.
    pub fn new(database_failures: &Counters<1>, failure_kinds: [&'static str; 3]) -> Self {
        let mut registry = Registry::default();
        process_metrics::register(&mut registry, env!("CARGO_PKG_VERSION"));
        let requests = RequestMetrics::new(&mut registry);
        let auth = registry.sub_registry_with_prefix("auth");
        let refreshes = counters(
            auth,
            "refreshes",
            "Refreshes, by what became of them: retried is a lost answer, reused a theft",
            "outcome",
            RefreshOutcome::ALL.map(RefreshOutcome::name),
        );
        let logins = counters(
            auth,
            "logins",
            "Logins, by what became of them",
            "result",
            LoginOutcome::ALL.map(LoginOutcome::name),
        );
        let ended = counters(
            auth,
            "sessions_ended",
            "Sessions that this process ended, by cause",
            "cause",
            EndCause::ALL.map(EndCause::name),
        );
        let hashing = HashPoolMetrics::new(auth);
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
        begin(database_failures, "kind", failure_kinds);
        let help = "RequestMetrics that the database failed, by how";
        auth.register("database_failures", help, database_failures.clone());
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

    pub fn hash_pool(&self) -> HashPoolMetrics {
        self.hashing.clone()
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn count_refresh(&self, outcome: RefreshOutcome) {
        self.refreshes.get_or_create(&[("outcome", outcome.name())]).inc();
    }

    pub fn count_login(&self, result: LoginOutcome) {
        self.logins.get_or_create(&[("result", result.name())]).inc();
    }

    pub fn count_ended_sessions(&self, cause: EndCause, sessions: usize) {
        self.ended.get_or_create(&[("cause", cause.name())]).inc_by(sessions as u64);
    }

    /// Takes over what is not counted as it happens.
    pub fn set_gauges(&self, now: &GaugeValues) {
        self.listeners.set(now.listeners as i64);
        self.revocations.set(now.revocations as i64);
        for (source, silence) in &now.silence_by_source {
            let gauge = self.silences.get_or_create(&[("source", source)]);
            gauge.set(silence.as_secs() as i64);
        }
        self.in_sync.set(now.is_in_sync.into());
        self.connections.get_or_create(&[("state", "in_use")]).set(now.connections_in_use.into());
        self.connections.get_or_create(&[("state", "idle")]).set(now.connections_idle.into());
        self.connections_max.set(now.connections_max.into());
        self.connections_awaited.set(now.connections_awaited as i64);
        set_if_any(&self.key_age, now.key_age);
        set_if_any(&self.next_key_in, now.next_key_in);
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
