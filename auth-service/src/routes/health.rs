//! `GET /healthz` and `GET /readyz`: whether this process lives, and whether it can work.

use actix_web::{HttpResponse, http::header::RETRY_AFTER, web::Data};
use serde::Serialize;

use crate::state::State;

/// `GET /healthz`: this process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

#[derive(Serialize)]
struct Ready {
    keys: &'static str,
    database: &'static str,
    blacklist: &'static str,
}

/// `GET /readyz`: 200 if there are keys, and database and blacklist answer, else 503. The log says why not.
pub async fn readyz(state: Data<State>) -> HttpResponse {
    let (database, blacklist) = state.sessions.check().await;
    let word = |ok| if ok { "ok" } else { "unavailable" };
    let keys = state.signing_keys.current().is_some();
    let mut response = if keys && database.is_ok() && blacklist.is_ok() {
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
    })
}
