//! `GET /.well-known/oauth-authorization-server`: where the rest is (RFC 8414). Also under OpenID Connect's name.

use actix_web::{HttpResponse, http::header::CACHE_CONTROL, web::Data};
use serde::Serialize;

use crate::state::State;

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    /// Required (RFC 8414 section 2), and empty: there is no authorization endpoint.
    response_types_supported: [&'a str; 0],
}

/// `GET /.well-known/oauth-authorization-server`: where the rest is.
pub async fn metadata(state: Data<State>) -> HttpResponse {
    let issuer = state.verifier.issuer();
    let jwks_uri = format!("{issuer}/.well-known/jwks.json");
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(Metadata {
        issuer,
        jwks_uri,
        response_types_supported: [],
    })
}
