//! `GET /.well-known/jwks.json`: the public keys (RFC 7517 section 5).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
    web::Data,
};

use crate::{error::ApiError, state::State};

/// `GET /.well-known/jwks.json`: the public keys. 503 until they have been read from the database.
pub async fn jwks(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let jwks = state.tokens.jwks();
    if jwks.keys.is_empty() {
        return Err(ApiError::Unavailable);
    }
    // A key's id is its thumbprint, so the ids name the content.
    let kids: Vec<&str> = jwks.keys.iter().filter_map(|key| key.common.key_id.as_deref()).collect();
    let etag = format!("\"{}\"", kids.join("."));
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str());
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, "public, max-age=300")).insert_header((ETAG, etag));
    Ok(if known { response.finish() } else { response.json(jwks) })
}
