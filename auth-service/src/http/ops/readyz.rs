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
    /// Reason for each member that is not `ok`. Missing if all are.
    #[serde(skip_serializing_if = "Reasons::is_empty")]
    #[schema(required = false)]
    reasons: Reasons,
}

/// Check whether this process is ready.
///
/// A process is ready if the database and the blacklist answer, and the signing keys and the past
/// revocations are loaded.
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
    let stores = app.sessions.readiness().await;
    let mut reasons = Reasons::default();
    let ready = Ready {
        service: reasons.service_status(app.shutdown.is_triggered()),
        keys: reasons.dependency_status("keys", app.signing_keys.check()),
        database: reasons.dependency_status("database", stores.database),
        blacklist: reasons.dependency_status("blacklist", stores.session_state),
        revocations: reasons.dependency_status("revocations", app.revocations.readiness()),
        reasons,
    };
    readiness(ready.reasons.is_empty(), ready)
}
