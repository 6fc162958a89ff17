//! `GET /readyz`: whether this process can work.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::health::{Reasons, readiness};
use utoipa::ToSchema;

use crate::app::App;

/// Of each, `ok` or `unavailable`.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ok`, or `ending` if it was told to end.
    service: &'static str,
    keys: &'static str,
    database: &'static str,
    blacklist: &'static str,
    revocations: &'static str,
    /// Not there if all is well.
    #[serde(skip_serializing_if = "Reasons::is_empty")]
    #[schema(required = false)]
    reasons: Reasons,
}

/// Whether this process can work: database and blacklist answer, keys and revocations have been read.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "about",
    responses(
        (status = 200, description = "It can.", body = Ready),
        (status = 503, description = "It cannot.", body = Ready, headers(("Retry-After" = i32))),
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
