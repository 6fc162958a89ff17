//! `POST /token/verify`: whether a token of either kind is good.

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
    tokens::{AnyToken, RefreshTokenError, TokenErrors},
};

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
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

/// `{}`.
#[derive(Serialize, ToSchema)]
pub struct Good {}

/// Ask whether a token is good.
#[utoipa::path(
    post,
    path = "/token/verify",
    tag = "people",
    request_body = VerifyRequest,
    responses((status = 200, description = "It is.", body = Good), BadBody, Unauthorized, Unavailable)
)]
pub async fn verify(app: Data<App>, request: Valid<VerifyRequest>) -> Result<Json<Good>, ApiError> {
    match app.tokens.read_any(&request.token).await {
        Ok(AnyToken::Access(claims)) => {
            app.sessions.refuse_ended(claims.sid).await.map_err(not_valid)?;
            Ok(Json(Good {}))
        }
        Ok(AnyToken::Refresh(presented)) if app.sessions.accepts(&presented).await? => Ok(Json(Good {})),
        Ok(AnyToken::Refresh(_)) => Err(RefreshTokenError::Revoked.into()),
        Err(TokenErrors { as_access, as_refresh: RefreshTokenError::Invalid }) => Err(not_valid(as_access)),
        Err(TokenErrors { as_refresh, .. }) => Err(as_refresh.into()),
    }
}

/// The token was not sent to authenticate this request, so the answer does not say what is wrong with it as such.
fn not_valid(why: VerifyError) -> ApiError {
    match why {
        VerifyError::KeysUnavailable | VerifyError::RevocationsUnavailable => ApiError::Unavailable,
        _ => ApiError::RefreshToken("The token is invalid or expired."),
    }
}
