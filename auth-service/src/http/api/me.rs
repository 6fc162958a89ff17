//! `GET /me`: returns the user of the access token.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::{Profile, ProfileError},
    app::App,
    http::{error::ApiError, extract::CurrentUser},
};

/// The user.
#[derive(Serialize, ToSchema)]
pub struct Me {
    id: Uuid,
    email: String,
    username: String,
}

/// Get the current user.
///
/// Returns the user of the access token.
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
pub async fn me(app: Data<App>, CurrentUser(claims): CurrentUser) -> Result<Json<Me>, ApiError> {
    let Profile { id, email, username } = app.accounts.profile(claims.sub.clone()).await?;
    Ok(Json(Me { id, email, username }))
}

impl From<ProfileError> for ApiError {
    fn from(why: ProfileError) -> Self {
        match why {
            // The sessions of a deleted user have ended.
            ProfileError::UnknownUser => VerifyError::Revoked.into(),
            ProfileError::Store(why) => why.into(),
        }
    }
}
