//! `GET /me`: who the access token's user is.

use actix_web::web::{Data, Json};
use serde::Serialize;
use shared::VerifyError;
use uuid::Uuid;

use super::Caller;
use crate::{error::ApiError, state::State, store::users};

#[derive(Serialize)]
pub struct Me {
    id: Uuid,
    email: String,
    username: String,
}

/// `GET /me`: who the access token's user is.
pub async fn me(state: Data<State>, Caller(claims): Caller) -> Result<Json<Me>, ApiError> {
    if claims.client_id.is_some() {
        return Err(ApiError::NotAUser);
    }
    let user = state.store.run(move |connection| users::find(connection, &claims.sub)).await?;
    // A user who is gone has no session.
    let user = user.ok_or(VerifyError::Revoked)?;
    Ok(Json(Me { id: user.id, email: user.email, username: user.username }))
}
