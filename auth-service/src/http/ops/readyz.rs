//! `GET /readyz`: states whether this process is ready.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::health::{Reasons, readiness};
use utoipa::ToSchema;

use crate::app::App;

/// Readiness of the process and of each dependency: `ok` or `unavailable`.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ok`, or `ending` during the shutdown.
    service: &'static str,
    keys: &'static str,
    database: &'static str,
    blacklist: &'static str,
    revocations: &'static str,
    /// This replica's clock, compared with the database's.
    clock: &'static str,
    /// Reason for each member that is not `ok`, and warnings, which begin with `warning:` and leave
    /// the process ready. Missing if there is none.
    #[serde(skip_serializing_if = "Reasons::is_empty")]
    #[schema(required = false)]
    reasons: Reasons,
}

/// Check whether this process is ready.
///
/// A process is ready if the database and the blacklist answer and accept writes, the signing keys
/// and the past revocations are loaded, and its clock differs from the database's by no more than
/// `LEEWAY`. The process checks both stores once a second. With `METRICS_ADDR`, this route is at
/// that address only.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "about",
    responses(
        (status = 200, description = "Ready.", body = Ready),
        (status = 503, description = "Not ready.", body = Ready, headers(("Retry-After" = i32))),
    )
)]
pub async fn readyz(app: Data<App>) -> HttpResponse {
    let stores = app.sessions.readiness();
    let mut reasons = Reasons::default();
    let ready = Ready {
        service: reasons.service_status(app.shutdown.is_triggered()),
        keys: reasons.dependency_status("keys", app.signing_keys.check()),
        database: reasons.dependency_status("database", stores.database),
        blacklist: reasons.dependency_status("blacklist", stores.session_state),
        revocations: reasons.dependency_status("revocations", app.revocations.readiness()),
        clock: reasons.dependency_status("clock", app.clock_check.readiness()),
        reasons,
    };
    let is_ready = ready.reasons.is_empty();
    let mut ready = ready;
    if let Some(warning) = app.sessions.eviction_warning() {
        ready.reasons.warn("blacklist", warning);
    }
    readiness(is_ready, ready)
}
