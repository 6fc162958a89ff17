//! `GET /me`: who the access token's user is.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{app::App, http::error::ApiError, http::extract::Person, store::users};

#[derive(Serialize, ToSchema)]
pub struct Me {
    id: Uuid,
    email: String,
    username: String,
}

/// Who the access token's user is.
#[utoipa::path(
    get,
    path = "/me",
    tag = "people",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The user.", body = Me),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn me(app: Data<App>, Person(claims): Person) -> Result<Json<Me>, ApiError> {
    let user = app.store.run(move |connection| users::find(connection, &claims.sub)).await?;
    // A user who is gone has no session.
    let user = user.ok_or(VerifyError::Revoked)?;
    Ok(Json(Me { id: user.id, email: user.email, username: user.username }))
}
