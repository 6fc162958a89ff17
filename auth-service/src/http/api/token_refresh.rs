//! `POST /token/refresh`: exchanges a refresh token for a new token pair (RFC 6749 section 6, RFC
//! 9700 section 4.14).

use actix_web::web::{Data, Json};
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use utoipa::ToSchema;

use crate::{
    app::App,
    domain::session::Origin,
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid, not_blank},
    },
    sessions::RefreshError,
    tokens::TokenPair,
};

/// A refresh token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token.
    #[schema(min_length = 1)]
    refresh: String,
}

impl RefreshRequest {
    /// Returns the refresh token.
    pub fn token(&self) -> &str {
        &self.refresh
    }
}

impl FromForm for RefreshRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.text("refresh", not_blank).map(|refresh| Self { refresh })
    }
}

/// Refresh the tokens.
///
/// Exchanges a refresh token for a new token pair. The presented token is then used up. Within the
/// grace period a client may repeat the request, as long as the new refresh token is unused.
/// Presented later, the token ends its session.
#[utoipa::path(
    post,
    path = "/token/refresh",
    tag = "people",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The new token pair.", body = TokenPair),
        BadBody, Unauthorized, Unavailable,
    )
)]
pub async fn refresh(
    app: Data<App>,
    origin: Origin,
    request: Valid<RefreshRequest>,
) -> Result<Json<TokenPair>, ApiError> {
    let refreshed = app.sessions.refresh(request.token(), None, &origin).await?;
    Ok(Json(refreshed.tokens))
}

impl From<RefreshError> for ApiError {
    fn from(why: RefreshError) -> Self {
        match why {
            RefreshError::Token(why) => why.into(),
            // Unreachable: the request has no scope.
            RefreshError::Scope(_) => Self::Internal,
            RefreshError::NoSigningKey(why) => why.into(),
            RefreshError::SessionState(why) => why.into(),
            RefreshError::Store(why) => why.into(),
        }
    }
}
