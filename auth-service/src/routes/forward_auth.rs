//! `GET /auth/verify`: for a proxy that asks before it lets a request through (nginx `auth_request`, Traefik
//! ForwardAuth, Caddy `forward_auth`), so that what stands behind it need know nothing of tokens.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use shared::claims::is_scope_name;

use super::Caller;
use crate::{error::ApiError, form::Form};

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// `GET /auth/verify`: 200 and who it is, if the request bears a valid access token whose session has not ended. With
/// `?scope=` or `?role=` in the query, each of which may be there several times, only if it grants them all. A client's
/// token has no `X-Auth-User`.
pub async fn verify(Caller(claims): Caller, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut wrong = Form::default();
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        let needed = || value.split(' ');
        match &*name {
            "scope" | "role" if !needed().all(is_scope_name) => {
                wrong.wrong(&name, "Not names of scopes or roles.")
            }
            "scope" => {
                if let Some(missing) = needed().find(|scope| !claims.scope.contains(scope)) {
                    return Err(ApiError::InsufficientScope(missing.into()));
                }
            }
            "role" => {
                if let Some(missing) = needed().find(|role| !claims.roles.iter().any(|held| held == role)) {
                    return Err(ApiError::MissingRole(missing.into()));
                }
            }
            _ => {}
        }
    }
    wrong.finish()?;
    let mut response = HttpResponse::Ok();
    if let Some(username) = &claims.preferred_username {
        // As it is, in UTF-8: there is no encoding of header values that all who read this would know.
        response.insert_header((USER, value(username)?));
    }
    response
        .insert_header((SUBJECT, value(&claims.sub)?))
        .insert_header((SCOPES, value(claims.scope.as_str())?));
    Ok(response.finish())
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| ApiError::Internal)
}
