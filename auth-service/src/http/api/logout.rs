//! `POST /logout`: end a session.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use shared::AccessToken;

use super::token_refresh::RefreshRequest;
use crate::{
    app::App,
    domain::{
        audit::Initiator,
        session::{EndCause, Origin},
    },
    http::{error::ApiError, form::Valid},
    tokens::RefreshTokenError,
};

/// Log out: end the session of the refresh token in the body.
///
/// The access token must be the same user's. A session that has ended is ended again, so that a client which got no answer
/// may ask twice.
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
    let presented = app.tokens.read_refresh(request.token())?;
    if presented.sub != caller.sub {
        return Err(RefreshTokenError::Invalid.into());
    }
    if app.sessions.log_out(&presented, EndCause::Logout, Initiator::user(origin)).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        // The blacklist has it. But what the database does not know, it cannot remember.
        Err(RefreshTokenError::Revoked.into())
    }
}
