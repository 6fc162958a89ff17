//! Whether a service lives, and whether it can work.

use actix_web::{HttpResponse, http::header::RETRY_AFTER, web::Json};
use serde::Serialize;
use utoipa::ToSchema;

/// That it lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    status: &'static str,
}

/// Whether this process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "about",
    responses((status = 200, description = "It does.", body = Alive))
)]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// How a service's `/readyz` says of one thing that it needs whether it is there.
pub fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "unavailable" }
}

/// A service's answer to `/readyz`: 200 if it can work, else 503, and why.
pub fn readiness(can_work: bool, why: impl Serialize) -> HttpResponse {
    let mut response = if can_work { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    if !can_work {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.json(why)
}
