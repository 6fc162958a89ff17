//! `GET /healthz` and `GET /readyz`: whether this process lives, and whether it can work.

use actix_web::{
    HttpResponse,
    http::header::RETRY_AFTER,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;

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

#[derive(Serialize, ToSchema)]
pub struct Alive {
    status: &'static str,
}

/// Of each, `ok` or `unavailable`.
#[derive(Serialize, ToSchema)]
struct Ready {
    keys: &'static str,
    database: &'static str,
    blacklist: &'static str,
    revocations: &'static str,
}

/// Whether this process can work: database and blacklist answer, keys and revocations have been read. Its log says why not.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "about",
    responses(
        (status = 200, description = "It can.", body = Ready),
        (status = 503, description = "It cannot.", body = Ready, headers(("Retry-After" = i32))),
    )
)]
pub async fn readyz(state: Data<State>) -> HttpResponse {
    let (database, blacklist) = state.sessions.check().await;
    let word = |ok| if ok { "ok" } else { "unavailable" };
    let keys = state.signing_keys.current().is_some();
    let revocations = state.revocations.is_ready();
    let mut response = if keys && revocations && database.is_ok() && blacklist.is_ok() {
        HttpResponse::Ok()
    } else {
        let mut unavailable = HttpResponse::ServiceUnavailable();
        unavailable.insert_header((RETRY_AFTER, "1"));
        unavailable
    };
    response.json(Ready {
        keys: word(keys),
        database: word(database.is_ok()),
        blacklist: word(blacklist.is_ok()),
        revocations: word(revocations),
    })
}
