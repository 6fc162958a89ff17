//! `POST /logout`: ends a session.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use shared::AccessToken;

use super::token_refresh::RefreshRequest;
use crate::{
    app::App,
    domain::session::Origin,
    http::{error::ApiError, form::Valid},
    sessions::LogoutError,
};

/// Log out.
///
/// Ends the session of the refresh token in the body. The access token must belong to the same
/// user. A client that got no answer may repeat the request: the answer is 204 again.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "people",
    security(("bearer" = [])),
    request_body = RefreshRequest,
    responses((status = 204, description = "Logged out."), BadBody, Unauthorized, Unavailable)
)]
pub async fn logout(
    app: Data<App>,
    caller: AccessToken,
    origin: Origin,
    request: Valid<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    app.sessions.log_out(request.token(), &caller, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<LogoutError> for ApiError {
    fn from(why: LogoutError) -> Self {
        match why {
            LogoutError::Token(why) => why.into(),
            LogoutError::Store(why) => why.into(),
        }
    }
}
