//! `POST /logout/all`: end all sessions of whoever asks.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};

use crate::{
    app::App,
    domain::{
        audit::Initiator,
        session::{EndCause, Origin},
    },
    http::error::ApiError,
    http::extract::Person,
};

/// Log out everywhere: end all sessions, this one among them.
#[utoipa::path(
    post,
    path = "/logout/all",
    tag = "people",
    security(("bearer" = [])),
    responses((status = 204, description = "Logged out everywhere."), Unauthorized, Forbidden, Unavailable)
)]
pub async fn logout_all(
    app: Data<App>,
    Person(claims): Person,
    origin: Origin,
) -> Result<HttpResponse, ApiError> {
    app.sessions.end_all(claims.sub.clone(), EndCause::LogoutEverywhere, Initiator::user(origin)).await?;
    Ok(HttpResponse::NoContent().finish())
}
