//! `POST /logout`: ends a session.

use actix_web::{FromRequest, HttpRequest, HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;

use crate::{
    app::App,
    domain::session::Origin,
    http::{
        cookies,
        error::{ApiError, refusal},
        extract::{Bearer, MaybeCookie},
        form::{Form, FromForm, REQUIRED, Valid, not_blank},
    },
    sessions::LogoutError,
    tokens::Credential,
};

/// A refresh token.
#[derive(ToSchema)]
pub struct LogoutRequest {
    /// The refresh token. A request without a body and without an access token ends the session of
    /// the cookie.
    #[schema(nullable = false, min_length = 1)]
    refresh: Option<String>,
}

impl FromForm for LogoutRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.optional("refresh", not_blank).map(|refresh| Self { refresh })
    }
}

/// Log out.
///
/// Ends the session of the refresh token in the body. The access token must belong to the same
/// user. A client that got no answer may repeat the request: the answer is 204 again.
///
/// Without either, ends the session of the cookie, and removes the cookie.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = Option<LogoutRequest>,
    responses(
        (status = 204, description = "Logged out."),
        BadBody, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn logout(
    app: Data<App>,
    http: HttpRequest,
    MaybeCookie(cookie): MaybeCookie,
    origin: Origin,
    Valid(request): Valid<LogoutRequest>,
) -> Result<HttpResponse, actix_web::Error> {
    let response = HttpResponse::NoContent().finish();
    if let (Some(cookie), None) = (cookie, &request.refresh) {
        let ended = app.sessions.log_out_by_cookie(cookie.value()?, origin).await;
        ended.map_err(ApiError::from)?;
        cookies::end(&http, &app, Credential::Cookie);
        return Ok(response);
    }
    let Bearer(caller) = Bearer::extract(&http).await?;
    let Some(refresh) = request.refresh else {
        return Err(Form::single_error("refresh", REQUIRED).into());
    };
    app.sessions.log_out(&refresh, &caller, origin).await.map_err(ApiError::from)?;
    Ok(response)
}

impl From<LogoutError> for ApiError {
    fn from(why: LogoutError) -> Self {
        match why {
            // The access token authenticates the request, so the refresh token is only a wrong field.
            LogoutError::Token(why) => Form::single_error("refresh", refusal(why)),
            LogoutError::Store(why) => why.into(),
        }
    }
}
