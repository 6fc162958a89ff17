//! `POST /token/verify`: states whether a token is valid.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid, not_blank},
    },
    sessions::VerifyTokenError,
};

/// A token of either kind.
#[derive(ToSchema)]
pub struct VerifyRequest {
    /// An access token or a refresh token.
    #[schema(min_length = 1)]
    token: String,
}

impl FromForm for VerifyRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.text("token", not_blank).map(|token| Self { token })
    }
}

/// An empty object.
#[derive(Serialize, ToSchema)]
#[schema(as = Good)]
pub struct ValidToken {}

/// Verify a token.
///
/// Checks that a token is valid and that its session has not ended.
#[utoipa::path(
    post,
    path = "/token/verify",
    tag = "people",
    request_body = VerifyRequest,
    responses(
        (status = 200, description = "The token is valid.", body = ValidToken),
        BadBody, Unauthorized, Unavailable,
    )
)]
pub async fn verify(
    app: Data<App>,
    request: Valid<VerifyRequest>,
) -> Result<Json<ValidToken>, ApiError> {
    app.sessions.verify_token(&request.token).await?;
    Ok(Json(ValidToken {}))
}

impl From<VerifyTokenError> for ApiError {
    fn from(why: VerifyTokenError) -> Self {
        match why {
            VerifyTokenError::AccessToken(
                VerifyError::KeysUnavailable | VerifyError::RevocationsUnavailable,
            ) => Self::Unavailable,
            VerifyTokenError::AccessToken(
                VerifyError::Malformed | VerifyError::Algorithm | VerifyError::WrongType,
            ) => Self::TokenInBody("The token is neither an access nor a refresh token.".into()),
            // The token in the body does not authenticate this request, so the challenge names no
            // error.
            VerifyTokenError::AccessToken(why) => Self::TokenInBody(why.problem().detail),
            VerifyTokenError::RefreshToken(why) => why.into(),
            VerifyTokenError::SessionState(why) => why.into(),
        }
    }
}
