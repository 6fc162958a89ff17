//! `POST /logout/all`: end all sessions of whoever asks.

use actix_web::{HttpResponse, web::Data};
use shared::service::openapi::{Forbidden, Unauthorized, Unavailable};

use super::Person;
use crate::{
    domain::{
        audit::By,
        session::{Cause, Origin},
    },
    error::ApiError,
    state::State,
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
    state: Data<State>,
    Person(claims): Person,
    origin: Origin,
) -> Result<HttpResponse, ApiError> {
    state.sessions.end_all(claims.sub.clone(), Cause::LogoutEverywhere, By::user(origin)).await?;
    Ok(HttpResponse::NoContent().finish())
}
