//! `POST /token/refresh`: trade a refresh token for a new pair (RFC 6749 section 6, RFC 9700 section 4.14).

use actix_web::web::{Data, Json};

use crate::{
    domain::generation::{Advance, Claims},
    error::ApiError,
    form::{Form, FromForm, Valid, not_blank},
    state::State,
    store::users,
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
    let minter = state.tokens.minter()?;
    let mut session = presented.session();
    let expiry = state.tokens.refresh_expiry(&session);
    let mut decision = state.sessions.advance(&presented, Claims::Presented, expiry).await?;
    if decision == Advance::StaleClaims {
        let id = session.sub.clone();
        let user = state.store.run(move |connection| users::find(connection, &id)).await?;
        session = session.with_claims_of(user.ok_or(RefreshError::Revoked)?);
        decision = state.sessions.advance(&presented, Claims::Database, expiry).await?;
    }
    match decision {
        Advance::Rotated(next) | Advance::RetriedInGrace(next) => {
            Ok(Json(minter.pair(&session, next, expiry)))
        }
        Advance::Expired => Err(RefreshError::Expired.into()),
        Advance::Reused | Advance::Revoked | Advance::StaleClaims => Err(RefreshError::Revoked.into()),
    }
}
