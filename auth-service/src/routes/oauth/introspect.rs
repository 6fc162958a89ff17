//! `POST /oauth/introspect`: what a token is worth at this moment (RFC 7662).

use actix_web::web::{Data, Json};
use serde::Serialize;
use shared::{
    VerifyError,
    claims::{AccessClaims, Audience, Scope, SessionId},
};
use uuid::Uuid;

use super::{OAuthError, Parameters};
use crate::{
    error::ApiError,
    routes::refuse_ended,
    state::State,
    store::StoreError,
    tokens::{RefreshClaims, RefreshError},
};

/// RFC 7662 section 2.2. Of a token that is worth nothing it says only that.
#[derive(Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten)]
    token: Option<ActiveToken>,
}

/// A token that is good. Times are seconds since the Unix epoch.
#[derive(Serialize)]
struct ActiveToken {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    jti: Uuid,
    /// The session it belongs to.
    sid: SessionId,
    scope: Scope,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// `Bearer`, of an access token (RFC 6749 section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
}

impl From<&AccessClaims> for ActiveToken {
    fn from(claims: &AccessClaims) -> Self {
        let AccessClaims { iss, sub, aud, exp, iat, jti, sid, scope, roles, .. } = claims.clone();
        let (username, client_id) = (claims.preferred_username.clone(), claims.client_id.clone());
        let token_type = Some("Bearer");
        Self { iss, sub, aud, exp, iat, jti, sid, scope, roles, username, client_id, token_type }
    }
}

impl From<RefreshClaims> for ActiveToken {
    fn from(claims: RefreshClaims) -> Self {
        let RefreshClaims { iss, sub, exp, iat, jti, sid, scope, roles, preferred_username, .. } = claims;
        let (aud, username) = (Audience::One(claims.aud), Some(preferred_username));
        Self { iss, sub, aud, exp, iat, jti, sid, scope, roles, username, client_id: None, token_type: None }
    }
}

/// `POST /oauth/introspect`: what a token is worth at this moment. Any client may ask: it has the token already.
pub async fn introspect(
    state: Data<State>,
    parameters: Parameters,
) -> Result<Json<Introspection>, OAuthError> {
    parameters.authenticated_client(&state).await?;
    let token = active_token(&state, parameters.required("token")?).await?;
    Ok(Json(Introspection { active: token.is_some(), token }))
}

async fn active_token(state: &State, token: &str) -> Result<Option<ActiveToken>, ApiError> {
    match state.tokens.read_refresh(token) {
        Ok(presented) => Ok(state.sessions.accepts(&presented).await?.then(|| presented.into())),
        Err(RefreshError::Expired | RefreshError::Revoked) => Ok(None),
        Err(RefreshError::Invalid) => match state.verifier.verify(token).await {
            Ok(claims) => Ok(is_alive(state, &claims).await?.then(|| claims.as_ref().into())),
            Err(VerifyError::KeysUnavailable) => Err(ApiError::Unavailable),
            Err(_) => Ok(None),
        },
    }
}

/// Whether an access token's session goes on, and its client is still there. What cannot be asked at the moment is
/// believed, as every resource service believes the token.
async fn is_alive(state: &State, claims: &AccessClaims) -> Result<bool, ApiError> {
    if refuse_ended(state, claims).await.is_err() {
        return Ok(false);
    }
    let Some(client_id) = &claims.client_id else { return Ok(true) };
    match state.clients.find(client_id).await {
        Ok(client) => Ok(client.is_some()),
        Err(StoreError::Unavailable) => Ok(true),
        Err(why) => Err(why.into()),
    }
}
