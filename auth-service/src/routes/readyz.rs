//! `GET /readyz`: whether this process can work.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use shared::service::health::{readiness, word};
use utoipa::ToSchema;

use crate::state::State;

/// Of each, `ok` or `unavailable`.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ok`, or `ending` if it was told to end.
    service: &'static str,
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
    let (database, blacklist) = (database.is_ok(), blacklist.is_ok());
    let (keys, revocations) = (state.signing_keys.current().is_some(), state.revocations.is_ready());
    let goes_on = !state.drain.has_begun();
    let can_work = goes_on && keys && database && blacklist && revocations;
    let why = Ready {
        service: if goes_on { "ok" } else { "ending" },
        keys: word(keys),
        database: word(database),
        blacklist: word(blacklist),
        revocations: word(revocations),
    };
    readiness(can_work, why)
}
