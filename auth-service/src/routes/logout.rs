//! `POST /logout`: end a session.

use actix_web::{HttpResponse, web::Data};
use shared::{
    AccessToken,
    service::openapi::{BadBody, Unauthorized, Unavailable},
};

use super::refresh::RefreshRequest;
use crate::{
    domain::{
        audit::By,
        session::{Cause, Origin},
    },
    error::ApiError,
    form::Valid,
    state::State,
    tokens::RefreshError,
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
    state: Data<State>,
    caller: AccessToken,
    origin: Origin,
    request: Valid<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    let presented = state.tokens.read_refresh(request.token())?;
    if presented.sub != caller.sub {
        return Err(RefreshError::Invalid.into());
    }
    if state.sessions.log_out(&presented, Cause::Logout, By::user(origin)).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        // The blacklist has it. But what the database does not know, it cannot remember.
        Err(RefreshError::Revoked.into())
    }
}
