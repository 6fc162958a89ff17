//! `POST /oauth/introspect`: what a token is worth at this moment (RFC 7662).

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use shared::claims::{AccessClaims, Audience, Scope, SessionId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OAuthError, Parameters, Refusals};
use crate::{
    app::App,
    domain::client::FIRST_PARTY,
    tokens::{AnyToken, RefreshClaims},
};

/// An introspection response (RFC 7662 section 2.2).
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Introspection<'a> {
    Active(ActiveToken<'a>),
    Inactive(InactiveToken),
}

/// A token that is worthless: the response says no more of it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InactiveToken {
    /// `false`.
    active: bool,
}

/// Schema of [`Audience`]: one audience, or several (RFC 7519 section 4.1.3).
#[derive(ToSchema)]
#[schema(as = Audience)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a type of another crate")]
enum AudienceSchema {
    One(String),
    Many(Vec<String>),
}

/// The audience of a token, borrowed.
#[derive(Serialize)]
#[serde(untagged)]
enum AudienceRef<'a> {
    One(&'a str),
    Any(&'a Audience),
}

/// A token that is worth something. Times are seconds since the Unix epoch.
#[derive(Serialize, ToSchema)]
struct ActiveToken<'a> {
    /// `true`.
    active: bool,
    iss: &'a str,
    sub: &'a str,
    #[schema(value_type = AudienceSchema)]
    aud: AudienceRef<'a>,
    exp: i64,
    iat: i64,
    jti: Uuid,
    /// The session of the token.
    #[schema(value_type = Uuid)]
    sid: SessionId,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String, required = false)]
    scope: &'a Scope,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<&'a str>,
    /// `Bearer`, if it is an access token (RFC 6749 section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
}

impl<'a> From<&'a AccessClaims> for ActiveToken<'a> {
    fn from(claims: &'a AccessClaims) -> Self {
        Self {
            active: true,
            iss: &claims.iss,
            sub: &claims.sub,
            aud: AudienceRef::Any(&claims.aud),
            exp: claims.exp,
            iat: claims.iat,
            jti: claims.jti,
            sid: claims.sid,
            scope: &claims.scope,
            roles: &claims.roles,
            username: claims.preferred_username.as_deref(),
            client_id: claims.client_id.as_deref(),
            token_type: Some("Bearer"),
        }
    }
}

impl<'a> From<&'a RefreshClaims> for ActiveToken<'a> {
    fn from(claims: &'a RefreshClaims) -> Self {
        Self {
            active: true,
            iss: &claims.iss,
            sub: &claims.sub,
            aud: AudienceRef::One(&claims.aud),
            exp: claims.exp,
            iat: claims.iat,
            jti: claims.jti,
            sid: claims.sid,
            scope: &claims.scope,
            roles: &claims.roles,
            username: Some(&claims.preferred_username),
            client_id: Some(FIRST_PARTY),
            token_type: None,
        }
    }
}

#[derive(ToSchema)]
#[schema(as = IntrospectionRequest, example = json!({"token": ""}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct IntrospectionFields {
    /// An access token or a refresh token.
    #[schema(min_length = 1)]
    token: String,
    /// Ignored.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// For a client that does not authenticate by the `Authorization` header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Returns what a token is worth at this moment. Any client may ask.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    tag = "oauth",
    security(("client" = [])),
    request_body(content = IntrospectionFields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token's claims, or only `active: false`.", body = Introspection),
        Refusals,
    )
)]
pub async fn introspect(app: Data<App>, parameters: Parameters) -> Result<HttpResponse, OAuthError> {
    parameters.authenticated_client(&app.clients).await?;
    let token = app.grants.introspect(parameters.required("token")?).await?;
    let introspection = match &token {
        Some(AnyToken::Access(claims)) => Introspection::Active(claims.as_ref().into()),
        Some(AnyToken::Refresh(claims)) => Introspection::Active(claims.as_ref().into()),
        None => Introspection::Inactive(InactiveToken { active: false }),
    };
    Ok(HttpResponse::Ok().json(introspection))
}
