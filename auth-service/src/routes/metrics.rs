//! `GET /metrics`: what this process counts.

use actix_web::{HttpResponse, web::Data};
use shared::service::metrics;

use crate::{metrics::Readings, state::State};

/// What this process counts, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "about",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text"),
    )
)]
pub async fn metrics(state: Data<State>) -> HttpResponse {
    let (listeners, revocations) = state.revocations.counts();
    state.metrics.read(&Readings {
        listeners,
        revocations,
        silences: state.revocations.silences().collect(),
        is_in_sync: state.sessions.is_in_sync(),
        connections: state.store.usage(),
        key: state.signing_keys.age(),
    });
    metrics::answer(state.metrics.registry())
}
