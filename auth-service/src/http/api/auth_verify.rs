//! `GET /auth/verify`: tells a proxy whether to let a request pass (nginx `auth_request`, Traefik
//! ForwardAuth, Caddy `forward_auth`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use service_kit::openapi::{Forbidden, ProblemSchema, Unauthorized, Unavailable};
use shared::claims::is_scope_name;

use crate::{
    domain::permission::Permission,
    http::{error::ApiError, extract::Caller, form::Form},
};

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// Authorize a request for a proxy.
///
/// The proxy may let the request pass if it has a valid access token whose session has not ended,
/// and the token grants all scopes and roles in the query.
#[utoipa::path(
    get,
    path = "/auth/verify",
    tag = "proxies",
    security(("bearer" = [])),
    params(
        ("scope" = Option<String>, Query, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
            description = "Required scopes, separated by spaces."),
        ("role" = Option<String>, Query, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
            description = "Required roles, separated by spaces."),
    ),
    responses(
        (status = 200, description = "The request may pass.", headers(
            ("X-Auth-User" = String, description = "Username, in UTF-8. Missing for a client."),
            ("X-Auth-Subject" = String, description = "Id of the user or the client."),
            ("X-Auth-Scopes" = String, description = "Scopes of the token, separated by spaces."),
        )),
        (status = 400, description = "The query is malformed.", body = ProblemSchema,
            content_type = "application/problem+json"),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn forward_auth(
    Caller(claims): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    for permission in required_permissions(request.query_string())? {
        permission.require(&claims.scope, &claims.roles)?;
    }
    let mut response = HttpResponse::Ok();
    if let Some(username) = &claims.preferred_username {
        // Unencoded UTF-8, because no encoding of header values is known to all services.
        response.insert_header((USER, header_value(username)?));
    }
    response.insert_header((SUBJECT, header_value(&claims.sub)?));
    response.insert_header((SCOPES, header_value(claims.scope.as_str())?));
    Ok(response.finish())
}

/// Parses the query. An unknown parameter is an error: a misspelt one would let requests pass that
/// the operator wants to keep out.
fn required_permissions(query: &str) -> Result<Vec<Permission>, ApiError> {
    let mut form = Form::default();
    let mut permissions = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let names = || value.split(' ').map(str::to_owned);
        match &*name {
            "scope" | "role" if !value.split(' ').all(is_scope_name) => {
                form.add_error(&name, "Not names of scopes or roles.");
            }
            "scope" => permissions.extend(names().map(Permission::Scope)),
            "role" => permissions.extend(names().map(Permission::Role)),
            _ => form.add_error("query", "Only scope and role are known."),
        }
    }
    form.finish()?;
    Ok(permissions)
}

fn header_value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| ApiError::Internal)
}
