//! `POST /oauth/introspect`: what a token is worth at this moment (RFC 7662).

use actix_web::web::{Data, Json};
use serde::Serialize;
use shared::claims::{AccessClaims, Audience, Scope, SessionId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OAuthError, Parameters, Refusals};
use crate::{
    app::App, domain::client::FIRST_PARTY, http::error::ApiError, tokens::RefreshClaims,
    tokens::any_token::AnyToken,
};

/// RFC 7662 section 2.2.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Introspection {
    Active(Box<ActiveToken>),
    Inactive(InactiveToken),
}

/// A token that is worth nothing: no more is said of it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InactiveToken {
    /// `false`.
    active: bool,
}

/// One audience, or several (RFC 7519 section 4.1.3).
#[derive(ToSchema)]
#[schema(as = Audience)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a type of another crate")]
enum AudienceSchema {
    One(String),
    Many(Vec<String>),
}

/// A token that is good. Times are seconds since the Unix epoch.
#[derive(Serialize, ToSchema)]
pub struct ActiveToken {
    /// `true`.
    active: bool,
    iss: String,
    sub: String,
    #[schema(value_type = AudienceSchema)]
    aud: Audience,
    exp: i64,
    iat: i64,
    jti: Uuid,
    /// The session it belongs to.
    #[schema(value_type = Uuid)]
    sid: SessionId,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String, required = false)]
    scope: Scope,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// `Bearer`, of an access token (RFC 6749 section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
}

impl From<&AccessClaims> for ActiveToken {
    fn from(claims: &AccessClaims) -> Self {
        Self {
            active: true,
            iss: claims.iss.clone(),
            sub: claims.sub.clone(),
            aud: claims.aud.clone(),
            exp: claims.exp,
            iat: claims.iat,
            jti: claims.jti,
            sid: claims.sid,
            scope: claims.scope.clone(),
            roles: claims.roles.clone(),
            username: claims.preferred_username.clone(),
            client_id: claims.client_id.clone(),
            token_type: Some("Bearer"),
        }
    }
}

impl From<RefreshClaims> for ActiveToken {
    fn from(claims: RefreshClaims) -> Self {
        let RefreshClaims { iss, sub, exp, iat, jti, sid, scope, roles, preferred_username, .. } = claims;
        let (aud, username) = (Audience::One(claims.aud), Some(preferred_username));
        Self {
            active: true,
            iss,
            sub,
            aud,
            exp,
            iat,
            jti,
            sid,
            scope,
            roles,
            username,
            client_id: Some(FIRST_PARTY.into()),
            token_type: None,
        }
    }
}

#[derive(ToSchema)]
#[schema(as = IntrospectionRequest, example = json!({"token": ""}))]
#[expect(dead_code, reason = "says what the form takes")]
struct Fields {
    /// An access token or a refresh token.
    #[schema(min_length = 1)]
    token: String,
    /// Not needed, and ignored.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// Where the client does not authenticate itself by the header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Ask what a token is worth at this moment. Any client may.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    tag = "oauth",
    security(("client" = [])),
    request_body(content = Fields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What it is; only `active: false` if that is nothing.", body = Introspection),
        Refusals,
    )
)]
pub async fn introspect(app: Data<App>, parameters: Parameters) -> Result<Json<Introspection>, OAuthError> {
    parameters.authenticated_client(&app).await?;
    let token = active_token(&app, parameters.required("token")?).await?;
    Ok(Json(match token {
        Some(token) => Introspection::Active(Box::new(token)),
        None => Introspection::Inactive(InactiveToken { active: false }),
    }))
}

async fn active_token(app: &App, token: &str) -> Result<Option<ActiveToken>, ApiError> {
    Ok(match super::read(app, token).await? {
        Some(AnyToken::Refresh(claims)) if app.sessions.accepts(&claims).await? => Some((*claims).into()),
        Some(AnyToken::Access(claims)) if is_alive(app, &claims).await? => Some(claims.as_ref().into()),
        _ => None,
    })
}

/// Whether an access token has not expired, its session goes on, and its client is still the one it was issued to. Who
/// asks wants to know for sure: what cannot be told is not guessed.
async fn is_alive(app: &App, claims: &AccessClaims) -> Result<bool, ApiError> {
    if claims.exp <= app.clock.now_secs() || app.sessions.has_surely_ended(claims.sid).await? {
        return Ok(false);
    }
    if !claims.is_client_token() {
        return Ok(true);
    }
    let client = app.clients.find(&claims.sub).await?;
    // Not another one of the same name. Tokens say the second.
    Ok(client.is_some_and(|client| client.created_at_ms < (claims.iat + 1) * 1000))
}
