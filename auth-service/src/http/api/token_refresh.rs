//! `POST /token/refresh`: exchanges a refresh token for a new token pair (RFC 6749 section 6, RFC
//! 9700 section 4.14).

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Serialize;
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;

use crate::{
    app::App,
    domain::session::Origin,
    http::{
        cookies,
        error::ApiError,
        extract::MaybeCookie,
        form::{Form, FromForm, REQUIRED, Valid, not_blank},
        oauth::AudienceSchema,
    },
    sessions::{RefreshError, Refreshed, Wanted},
};

/// A refresh token, and what the access token is for.
#[derive(ToSchema)]
#[schema(as = RefreshRequest)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RefreshFields {
    /// The refresh token. Missing: the cookie of the session.
    #[schema(nullable = false, min_length = 1)]
    refresh: Option<String>,
    /// Services that the access token is for: one, or a list. Missing: all that the login asked for.
    #[schema(nullable = false)]
    audience: Option<AudienceSchema>,
}

/// A refresh token, and what the client wants for it.
pub struct RefreshRequest {
    refresh: Option<String>,
    wanted: Wanted,
}

impl FromForm for RefreshRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let refresh = form.optional("refresh", not_blank);
        let audiences = form.texts("audience");
        let wanted = Wanted { scope: None, audiences: audiences? };
        Some(Self { refresh: refresh?, wanted })
    }
}

/// The new tokens of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Refreshed)]
pub struct RefreshResponse {
    access: String,
    /// Missing if the session is kept in a cookie, or if refresh tokens do not rotate: the presented
    /// one stays valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh: Option<String>,
}

/// Refresh the tokens.
///
/// Exchanges a refresh token for a new token pair. The presented token is then used up. Within the
/// grace period a client may repeat the request, as long as the new refresh token is unused.
/// Presented later, the token ends its session. If the operator has turned rotation off, the answer
/// has no refresh token, and the presented one stays valid. A smaller `audience` applies to the
/// access token only.
///
/// Without `refresh`, mints an access token for the session of the cookie. The cookie is not
/// rotated: any number of tabs may do so at once.
#[utoipa::path(
    post,
    path = "/token/refresh",
    tag = "people",
    security((), ("cookie" = [])),
    request_body = Option<RefreshFields>,
    responses(
        (status = 200, description = "The new tokens.", body = RefreshResponse),
        BadBody, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn refresh(
    app: Data<App>,
    http: HttpRequest,
    MaybeCookie(cookie): MaybeCookie,
    origin: Origin,
    Valid(RefreshRequest { refresh, wanted }): Valid<RefreshRequest>,
) -> Result<Json<RefreshResponse>, ApiError> {
    if let Some(refresh) = refresh {
        let refreshed = app.sessions.refresh(&refresh, &wanted, &origin).await?;
        let Refreshed { access, refresh, .. } = refreshed;
        return Ok(Json(RefreshResponse { access, refresh }));
    }
    let cookie = cookie.ok_or_else(|| Form::single_error("refresh", REQUIRED))?;
    let refreshed = app.sessions.refresh_by_cookie(cookie.value()?, &wanted, &origin).await;
    let (Refreshed { access, .. }, renewed) = refreshed.map_err(ApiError::of_cookie)?;
    if let Some(renewed) = renewed {
        cookies::set(&http, &app, &renewed, None);
    }
    Ok(Json(RefreshResponse { access, refresh: None }))
}

impl From<RefreshError> for ApiError {
    fn from(why: RefreshError) -> Self {
        match why {
            RefreshError::Token(why) => why.into(),
            // Unreachable: the request has no scope.
            RefreshError::Scope(_) => Self::Internal,
            RefreshError::Audience(why) => why.into(),
            RefreshError::NoSigningKey(why) => why.into(),
            RefreshError::SessionState(why) => why.into(),
            RefreshError::Store(why) => why.into(),
        }
    }
}
