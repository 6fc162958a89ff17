//! `POST /logout/all`: ends all sessions of a user.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};

use crate::{
    app::App,
    domain::{
        audit::Initiator,
        session::{EndCause, Origin},
    },
    http::{cookies, error::ApiError, extract::CurrentUser},
    tokens::Credential,
};

/// Log out everywhere.
///
/// Ends all sessions of the user, including the session of the access token.
#[utoipa::path(
    post,
    path = "/logout/all",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 204, description = "Logged out everywhere."),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn logout_all(
    app: Data<App>,
    http: HttpRequest,
    CurrentUser(claims): CurrentUser,
    credential: Credential,
    origin: Origin,
) -> Result<HttpResponse, ApiError> {
    let cause = EndCause::LogoutEverywhere;
    app.sessions.end_all(claims.sub.clone(), cause, Initiator::user(origin)).await?;
    cookies::end(&http, &app, credential);
    Ok(HttpResponse::NoContent().finish())
}
