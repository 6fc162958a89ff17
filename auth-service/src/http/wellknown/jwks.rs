//! `GET /.well-known/jwks.json`: publishes the public keys (RFC 7517 section 5).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ContentType, ETAG, IF_NONE_MATCH},
    web::Data,
};
use service_kit::openapi::Unavailable;
use utoipa::ToSchema;

use crate::{app::App, http::error::ApiError};

/// A JWK Set (RFC 7517 section 5).
#[derive(ToSchema)]
#[schema(as = JwkSet)]
#[expect(dead_code, reason = "describes the document")]
struct Keys {
    #[schema(value_type = Vec<Object>)]
    keys: (),
}

/// Get the public keys that verify access tokens.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "discovery",
    params(
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer."),
    ),
    responses(
        (status = 200, description = "The current key, the next key, and retired keys whose tokens \
            have not all expired.", body = Keys,
            headers(("ETag" = String), ("Cache-Control" = String))),
        (status = 304, description = "The keys have not changed since the earlier answer."),
        Unavailable,
    )
)]
pub async fn jwks(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let jwks = app.signing_keys.jwks().ok_or(ApiError::ReplicaNotReady)?;
    let known = request.headers().get(IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known == jwks.etag.as_str());
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, "public, max-age=300"));
    response.insert_header((ETAG, jwks.etag.as_str()));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.content_type(ContentType::json()).body(jwks.body.clone()))
}
