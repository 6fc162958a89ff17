//! `GET /auth/verify`: for a proxy that asks before it lets a request through (nginx `auth_request`, Traefik
//! ForwardAuth, Caddy `forward_auth`), so that what stands behind it need know nothing of tokens.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use service_kit::openapi::{Forbidden, ProblemSchema, Unauthorized, Unavailable};
use shared::claims::is_scope_name;

use crate::http::extract::Caller;
use crate::http::{error::ApiError, form::Form};

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// Ask, for a proxy, whether a request may pass.
///
/// It may if it bears a valid access token whose session has not ended, and which grants all scopes and roles in the query.
#[utoipa::path(
    get,
    path = "/auth/verify",
    tag = "proxies",
    security(("bearer" = [])),
    params(
        ("scope" = Option<String>, Query, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
            description = "Scopes that are needed, separated by spaces."),
        ("role" = Option<String>, Query, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
            description = "Roles that are needed, separated by spaces."),
    ),
    responses(
        (status = 200, description = "It may.", headers(
            ("X-Auth-User" = String, description = "The username, in UTF-8. Not there for a client."),
            ("X-Auth-Subject" = String, description = "The user's or the client's id."),
            ("X-Auth-Scopes" = String, description = "What the token grants, separated by spaces."),
        )),
        (status = 400, description = "A query that names no scopes or roles.", body = ProblemSchema,
            content_type = "application/problem+json"),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn forward_auth(Caller(claims): Caller, request: HttpRequest) -> Result<HttpResponse, ApiError> {
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
            // Misspelt, it would open what was to be closed.
            _ => wrong.wrong("query", "Only scope and role are known."),
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
