//! `GET /metrics`: what this process counts.

use actix_web::{HttpResponse, web::Data};
use service_kit::metrics;

use crate::{app::App, metrics::Readings};

/// What this process counts, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "about",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text"),
    )
)]
pub async fn metrics(app: Data<App>) -> HttpResponse {
    let (listeners, revocations) = app.revocations.counts();
    app.metrics.read(&Readings {
        listeners,
        revocations,
        silences: app.revocations.silences().collect(),
        is_in_sync: app.sessions.is_in_sync(),
        connections: app.store.usage(),
        key: app.signing_keys.age(),
    });
    metrics::answer(app.metrics.registry())
}
