//! `GET /metrics`: the metrics of this process.

use actix_web::{HttpResponse, web::Data};
use service_kit::metrics;

use crate::{app::App, metrics::GaugeValues};

/// Get the metrics of this process, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "about",
    responses(
        (status = 200, description = "The metrics.", body = String,
            content_type = "application/openmetrics-text"),
    )
)]
pub async fn metrics(app: Data<App>) -> HttpResponse {
    let silences = app.revocations.silence_by_source();
    let connections = app.store.usage();
    let (evicted_keys, may_evict) = app.sessions.evicted_keys();
    let key = app.signing_keys.age();
    let outbox = app.outbox.backlog();
    app.metrics.set_gauges(&GaugeValues {
        listeners: app.revocations.listener_count(),
        revocations: app.revocations.revocation_count(),
        silence_by_source: silences.map(|(source, silence)| (source.name(), silence)).collect(),
        is_in_sync: app.sessions.is_in_sync(),
        evicted_keys,
        may_evict,
        connections_in_use: connections.in_use,
        connections_idle: connections.idle,
        connections_max: connections.max,
        connections_awaited: connections.waiting,
        key_age: key.map(|key| key.age),
        next_key_in: key.and_then(|key| key.next_in),
        outbox,
    });
    metrics::answer(app.metrics.registry())
}
