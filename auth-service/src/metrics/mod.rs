//! Metrics of auth-service. `docs/failure-modes.md` explains how to read them.

mod gauges;
mod outcome;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use service_kit::{
    metrics::{Counters, RequestMetrics, counters, init_counters},
    process_metrics,
};

use self::gauges::Gauges;
pub use self::{
    gauges::GaugeValues,
    outcome::{LoginOutcome, RefreshOutcome},
};
use crate::domain::{session::EndCause, throttle::Cause};

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestMetrics,
    refreshes: Counters<1>,
    logins: Counters<1>,
    throttled: Counters<1>,
    ended_sessions: Counters<1>,
    restored_entries: Counter,
    gauges: Gauges,
}

/// Metrics that other parts of the service update, and that `/metrics` reports.
#[derive(Debug)]
pub struct ExternalMetrics<'a> {
    /// Requests that the database failed, by label `kind`.
    pub database_failures: &'a Counters<1>,
    /// Values of the label `kind`.
    pub database_failure_kinds: &'a [&'static str],
    /// Requests that wait for a password hash.
    pub hash_queue: &'a Gauge,
    /// Time that requests waited for a password hash.
    pub hash_wait_seconds: &'a Histogram,
    /// Password hashes that began, by label `kind`.
    pub hashes: &'a Counters<1>,
    /// Values of the label `kind`.
    pub hash_kinds: &'a [&'static str],
    /// Messages of the outbox that were sent.
    pub outbox_sent: &'a Counter,
    /// Attempts to send a message that failed.
    pub outbox_failed: &'a Counter,
    /// Messages of the outbox that were given up.
    pub outbox_given_up: &'a Counter,
    /// Webhooks that were sent.
    pub webhooks_sent: &'a Counter,
    /// Attempts to send a webhook that failed.
    pub webhooks_failed: &'a Counter,
    /// Webhooks that were given up.
    pub webhooks_given_up: &'a Counter,
}

impl Metrics {
    pub fn new(external: &ExternalMetrics) -> Self {
        let mut registry = Registry::default();
        process_metrics::register(&mut registry, env!("CARGO_PKG_VERSION"));
        let requests = RequestMetrics::new(&mut registry);
        let auth = registry.sub_registry_with_prefix("auth");
        let refreshes = counters(
            auth,
            "refreshes",
            "Refreshes, by outcome: retried means a lost answer, reused means a theft",
            "outcome",
            RefreshOutcome::ALL.map(RefreshOutcome::name),
        );
        let logins = counters(
            auth,
            "logins",
            "Logins, by result",
            "result",
            LoginOutcome::ALL.map(LoginOutcome::name),
        );
        let throttled = counters(
            auth,
            "throttled",
            "Attempts that were refused after too many failures, by cause",
            "cause",
            Cause::ALL.map(Cause::name),
        );
        let ended_sessions = counters(
            auth,
            "sessions_ended",
            "Sessions that this process ended, by cause",
            "cause",
            EndCause::ALL.map(EndCause::name),
        );
        let restored_entries = Counter::default();
        auth.register(
            "blacklist_restored",
            "Entries of sessions that were missing in session state and restored from the database",
            restored_entries.clone(),
        );
        register_external(auth, external);
        let gauges = Gauges::new(auth);
        Self {
            registry,
            requests,
            refreshes,
            logins,
            throttled,
            ended_sessions,
            restored_entries,
            gauges,
        }
    }

    /// Returns the metrics of HTTP requests.
    pub fn requests(&self) -> RequestMetrics {
        self.requests.clone()
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts a refresh.
    pub fn count_refresh(&self, outcome: RefreshOutcome) {
        self.refreshes.get_or_create(&[("outcome", outcome.name())]).inc();
    }

    /// Counts a login.
    pub fn count_login(&self, outcome: LoginOutcome) {
        self.logins.get_or_create(&[("result", outcome.name())]).inc();
    }

    /// Counts an attempt that was refused after too many failures.
    pub fn count_throttled(&self, cause: Cause) {
        self.throttled.get_or_create(&[("cause", cause.name())]).inc();
    }

    /// Counts ended sessions.
    pub fn count_ended_sessions(&self, cause: EndCause, sessions: usize) {
        self.ended_sessions.get_or_create(&[("cause", cause.name())]).inc_by(sessions as u64);
    }

    /// Counts an entry of a session that was restored from the database.
    pub fn count_restored_entry(&self) {
        self.restored_entries.inc();
    }

    /// Sets the gauges. Called whenever the metrics are read.
    pub fn set_gauges(&self, values: &GaugeValues) {
        self.gauges.set(values);
    }
}

fn register_external(registry: &mut Registry, external: &ExternalMetrics) {
    registry.register(
        "hash_queue",
        "Requests that wait for a password hash to start",
        external.hash_queue.clone(),
    );
    registry.register(
        "hash_wait_seconds",
        "Time until a password hash started, in seconds",
        external.hash_wait_seconds.clone(),
    );
    init_counters(external.hashes, "kind", external.hash_kinds.iter().copied());
    registry.register(
        "password_hashes",
        "Password hashes that began, by kind",
        external.hashes.clone(),
    );
    for (name, help, counter) in [
        ("outbox_sent", "Messages that this process sent", external.outbox_sent),
        ("outbox_failures", "Failed attempts to send a message", external.outbox_failed),
        ("outbox_given_up", "Messages that could not be sent in time", external.outbox_given_up),
        ("webhooks_sent", "Webhooks that this process sent", external.webhooks_sent),
        ("webhooks_failures", "Failed attempts to send a webhook", external.webhooks_failed),
        (
            "webhooks_given_up",
            "Webhooks that could not be sent in time",
            external.webhooks_given_up,
        ),
    ] {
        registry.register(name, help, counter.clone());
    }
    let failures = external.database_failures;
    init_counters(failures, "kind", external.database_failure_kinds.iter().copied());
    registry.register(
        "database_failures",
        "Requests that the database failed, by kind",
        failures.clone(),
    );
}
