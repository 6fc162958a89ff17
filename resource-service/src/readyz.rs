//! `GET /readyz`: whether this process can decide on access tokens.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::{
    health::{Reasons, readiness},
    shutdown::ShutdownToken,
};
use shared::Verifier;
use utoipa::ToSchema;

/// `ok` or `unavailable` for each dependency.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// `ok`, or `ending` during shutdown.
    service: &'static str,
    keys: &'static str,
    /// Absent if the revocation feed is not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocations: Option<&'static str>,
    /// Why a dependency is not `ok`. Absent if all are.
    #[serde(skip_serializing_if = "Reasons::is_empty")]
    #[schema(required = false)]
    reasons: Reasons,
}

/// Returns whether this process can decide on access tokens.
///
/// It can when it has keys to verify with and, unless the outage policy accepts tokens without it, follows the revocation feed.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "about",
    responses(
        (status = 200, description = "Ready.", body = Ready),
        (status = 503, description = "Not ready.", body = Ready, headers(("Retry-After" = i32))),
    )
)]
pub async fn readyz(verifier: Data<Verifier>, shutdown: Option<Data<ShutdownToken>>) -> HttpResponse {
    let is_ending = shutdown.is_some_and(|shutdown| shutdown.is_triggered());
    let mut reasons = Reasons::default();
    let ready = Ready {
        service: reasons.service(is_ending),
        keys: reasons.word("keys", verifier.keys_error().map_or(Ok(()), Err)),
        revocations: verifier.revocations().map(|feed| reasons.word("revocations", feed.check())),
        reasons,
    };
    readiness(!is_ending && verifier.is_ready(), ready)
}
