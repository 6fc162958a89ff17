//! `GET /metrics`: metrics of this process.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web::Data};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use service_kit::{
    metrics::{self, RequestMetrics, gauge},
    process_metrics,
};
use shared::{Verifier, revocations::FeedState};

/// Metrics of this process.
pub struct Metrics {
    registry: Registry,
    pub requests: RequestMetrics,
    /// `None` if the revocation feed is not configured.
    feed: Option<FeedMetrics>,
}

struct FeedMetrics {
    is_current: Gauge,
    silence: Gauge,
    held: Gauge,
    reconnects: Counter,
}

impl Metrics {
    /// Registers the metrics of a process with this verifier.
    pub fn new(verifier: &Verifier) -> Self {
        let mut registry = Registry::default();
        process_metrics::register(&mut registry, env!("CARGO_PKG_VERSION"));
        let requests = RequestMetrics::new(&mut registry);
        let feed = verifier.revocations().map(|_| FeedMetrics::new(&mut registry));
        Self { registry, requests, feed }
    }
}

impl FeedMetrics {
    fn new(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("resource");
        let is_current = gauge(
            registry,
            "revocation_feed_current",
            "1 if the revocation feed is current, otherwise 0",
        );
        let help = "Time since the last event or comment of the revocation feed, in seconds";
        let silence = gauge(registry, "revocation_feed_silence_seconds", help);
        let held = gauge(
            registry,
            "revocations_held",
            "Number of ended sessions whose access tokens are refused",
        );
        let reconnects = Counter::default();
        let help = "Number of reconnections to the revocation feed";
        registry.register("revocation_feed_reconnects", help, reconnects.clone());
        Self { is_current, silence, held, reconnects }
    }

    fn update(&self, now: FeedState) {
        self.is_current.set(now.is_current.into());
        self.silence.set(now.silent_for.as_secs() as i64);
        self.held.set(now.held as i64);
        // The verifier counts the reconnections. The metric is a copy of that count.
        self.reconnects.inner().store(now.reconnects, Ordering::Relaxed);
    }
}

/// Returns the metrics of this process, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "about",
    responses(
        (
            status = 200,
            description = "The metrics.",
            body = String,
            content_type = "application/openmetrics-text",
        ),
    )
)]
pub async fn metrics(metrics: Data<Metrics>, verifier: Data<Verifier>) -> HttpResponse {
    if let (Some(feed), Some(now)) = (&metrics.feed, verifier.revocations()) {
        feed.update(now);
    }
    metrics::answer(&metrics.registry)
}
