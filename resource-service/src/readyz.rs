//! `GET /readyz`: readiness of this process.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::{
    health::{Reasons, readiness},
    shutdown::ShutdownToken,
};
use shared::Verifier;
use utoipa::ToSchema;

/// State of the service and of each dependency.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// `ok`, or `ending` during shutdown.
    service: &'static str,
    /// `ok` or `unavailable`: the keys of the issuer.
    keys: &'static str,
    /// `ok` or `unavailable`: the revocation feed. Absent if the revocation feed is not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocations: Option<&'static str>,
    /// Why a state is not `ok`. Absent if every state is `ok`.
    #[serde(skip_serializing_if = "Reasons::is_empty")]
    #[schema(required = false)]
    reasons: Reasons,
}

/// Returns whether this process can accept or refuse access tokens.
///
/// A process is ready if it has the keys of the issuer. Unless the outage policy accepts tokens
/// while the revocation feed is down, the feed must be current too.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "about",
    responses(
        (status = 200, description = "Ready.", body = Ready),
        (status = 503, description = "Not ready.", body = Ready, headers(("Retry-After" = i32))),
    )
)]
pub async fn readyz(
    verifier: Data<Verifier>,
    shutdown: Option<Data<ShutdownToken>>,
) -> HttpResponse {
    let is_shutting_down = shutdown.is_some_and(|shutdown| shutdown.is_triggered());
    let mut reasons = Reasons::default();
    let ready = Ready {
        service: reasons.service_status(is_shutting_down),
        keys: reasons.dependency_status("keys", verifier.keys_error().map_or(Ok(()), Err)),
        revocations: verifier
            .revocations()
            .map(|feed| reasons.dependency_status("revocations", feed.check())),
        reasons,
    };
    readiness(!is_shutting_down && verifier.is_ready(), ready)
}
