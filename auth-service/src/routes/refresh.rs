//! `POST /token/refresh`: trade a refresh token for a new pair (RFC 6749 section 6, RFC 9700 section 4.14).

use actix_web::web::{Data, Json};

use crate::{
    domain::generation::Advance,
    error::ApiError,
    form::{Form, FromForm, Valid, not_blank},
    state::State,
    tokens::{RefreshError, TokenPair},
};

pub struct RefreshRequest {
    refresh: String,
}

impl RefreshRequest {
    /// The token presented.
    pub fn token(&self) -> &str {
        &self.refresh
    }
}

impl FromForm for RefreshRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.text("refresh", not_blank).map(|refresh| Self { refresh })
    }
}

/// `POST /token/refresh`: trade a refresh token for a new pair.
pub async fn refresh(
    state: Data<State>,
    request: Valid<RefreshRequest>,
) -> Result<Json<TokenPair>, ApiError> {
    let presented = state.tokens.read_refresh(request.token())?;
    let session = presented.session();
    match state.sessions.advance(&presented, state.tokens.refresh_expiry(&session)).await? {
        Advance::Rotated(next) | Advance::RetriedInGrace(next) => Ok(Json(state.tokens.mint(&session, next))),
        Advance::Reused | Advance::Revoked => Err(RefreshError::Revoked.into()),
    }
}
