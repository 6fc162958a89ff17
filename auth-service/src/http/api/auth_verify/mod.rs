//! `GET /auth/verify`: tells a proxy whether to let a request pass (nginx `auth_request`, Traefik
//! ForwardAuth, Caddy `forward_auth`).

mod original_request;
mod requirements;
mod sign_in;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    http::header::{HeaderName, HeaderValue},
    web::Data,
};
use service_kit::openapi::{FieldProblemSchema, Forbidden, Unauthorized, Unavailable};
use shared::{VerifyError, claims::AccessClaims};

use self::{original_request::OriginalRequest, requirements::Requirements};
use crate::{
    app::App,
    http::{
        error::ApiError,
        extract::{Caller, MaybeCookie},
    },
};

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// Authorize a request for a proxy.
///
/// The proxy may let the request pass if the request has a valid access token, or the cookie of a
/// session, the session has not ended, the token is for one of the audiences, and it grants all
/// scopes and roles in the query. With `preflight=allow`, a CORS preflight passes without a token,
/// because browsers send none.
///
/// A request with the cookie must come from a page of the issuer or of `BROWSER_ORIGINS` if it has
/// `Origin`, or if the proxy names a method that changes something.
#[utoipa::path(
    get,
    path = "/auth/verify",
    tag = "proxies",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("scope" = Option<String>, Query, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
            description = "Required scopes, separated by spaces."),
        ("role" = Option<String>, Query, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
            description = "Required roles, separated by spaces."),
        ("audience" = Option<String>, Query, min_length = 1,
            description = "Audience of the service behind the proxy. May occur several times: the \
                token must be for one of them. Missing: the audiences of `AUDIENCE`."),
        ("preflight" = Option<String>, Query, pattern = "^allow$",
            description = "`allow` if CORS preflights pass. The proxy must then set \
                `X-Forwarded-Method` or `X-Original-Method` itself."),
        ("sign_in" = Option<String>, Query, pattern = "^redirect$",
            description = "`redirect` if a user who opens a page, and is not signed in, is sent to \
                the sign-in page. The proxy must then set `X-Forwarded-Proto`, `X-Forwarded-Host` \
                and `X-Forwarded-Uri` itself."),
    ),
    responses(
        (status = 200, description = "The request may pass.", headers(
            ("X-Auth-User" = String, description = "Username, in UTF-8. Missing for a client."),
            ("X-Auth-Subject" = String, description = "Id of the user or the client."),
            ("X-Auth-Scopes" = String, description = "Scopes of the token, separated by spaces."),
        )),
        (status = 204, description = "The request is a CORS preflight, and may pass."),
        (status = 303, description = "With `sign_in=redirect`: the user must sign in.", headers(
            ("Location" = String, description = "The sign-in page, which returns to the original \
                URL. Only if the original URL has the scheme and the host of the issuer, and is of \
                the issuer's origin or of one in `BROWSER_ORIGINS`."),
        )),
        (status = 400, description = "The query is malformed.", body = FieldProblemSchema,
            content_type = "application/problem+json"),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn forward_auth(
    app: Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, actix_web::Error> {
    let required = Requirements::parse(request.query_string());
    let original = OriginalRequest::of(&request);
    let asks = |what: fn(&Requirements) -> bool| required.as_ref().is_ok_and(what);
    if asks(|it| it.allows_preflights) && original.is_preflight() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let has_cookie = MaybeCookie::of(&request, &app).0.is_some();
    if has_cookie && !original.is_from_trusted_page(&app.origins) {
        return Err(ApiError::ForeignOrigin.into());
    }
    match Caller::extract(&request).await {
        Ok(Caller(claims)) => {
            Ok(identify(&claims, &required?, app.accounts.tokens.service_audiences())?)
        }
        Err(why) if asks(|it| it.redirects_to_sign_in) => {
            sign_in::redirect(&app, &request, &why).ok_or(why)
        }
        Err(why) => Err(why),
    }
}

/// Returns the answer for a caller with these claims. `services` are the audiences of the services
/// if the query names none.
fn identify(
    claims: &AccessClaims,
    required: &Requirements,
    services: &[String],
) -> Result<HttpResponse, ApiError> {
    let audiences = if required.audiences.is_empty() { services } else { &required.audiences };
    if !audiences.iter().any(|name| claims.aud.contains(name)) {
        return Err(ApiError::AccessToken(VerifyError::Audience));
    }
    for permission in &required.permissions {
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

fn header_value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| ApiError::Internal)
}
