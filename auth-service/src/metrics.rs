//! What auth-service counts. `docs/failure-modes.md` says what to make of it.

use prometheus_client::{
    metrics::{gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use shared::service::metrics::{Counters, Requests, counters, gauge};

use crate::domain::{generation::Advance, session::Cause};

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

impl From<Advance> for Refresh {
    fn from(decision: Advance) -> Self {
        match decision {
            Advance::Rotated(_) => Self::Rotated,
            Advance::RetriedInGrace(_) => Self::Retried,
            Advance::Reused => Self::Reused,
            Advance::Expired => Self::Expired,
            // Claims that went stale a second time, while the database was read.
            Advance::Revoked | Advance::StaleClaims => Self::Revoked,
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
    Busy,
    /// The database gave no answer, or there is no key to sign with.
    Unavailable,
}

impl Login {
    const ALL: [Self; 4] = [Self::Succeeded, Self::Refused, Self::Busy, Self::Unavailable];

    fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Busy => "busy",
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

    fn new(registry: &mut Registry) -> Self {
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
    requests: Requests,
    refreshes: Counters<1>,
    logins: Counters<1>,
    ended: Counters<1>,
    hashing: Hashing,
    listeners: Gauge,
    revocations: Gauge,
    in_sync: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry);
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
            Cause::ALL.map(Cause::name),
        );
        let hashing = Hashing::new(auth);
        let listeners = gauge(auth, "revocation_listeners", "Services that follow the revocations here");
        let revocations =
            gauge(auth, "revocations_held", "Sessions that ended lately, of which listeners are told");
        let in_sync =
            gauge(auth, "blacklist_in_sync", "1 if the blacklist holds what the database does, else 0");
        Self { registry, requests, refreshes, logins, ended, hashing, listeners, revocations, in_sync }
    }

    pub fn requests(&self) -> Requests {
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

    pub fn ended(&self, cause: Cause, sessions: usize) {
        self.ended.get_or_create(&[("cause", cause.name())]).inc_by(sessions as u64);
    }

    /// Takes over what is not counted as it happens: how many listen to the feed, of how many sessions it tells, and
    /// whether the blacklist holds what the database does.
    pub fn set(&self, listeners: usize, revocations: usize, is_in_sync: bool) {
        self.listeners.set(listeners as i64);
        self.revocations.set(revocations as i64);
        self.in_sync.set(is_in_sync.into());
    }
}
