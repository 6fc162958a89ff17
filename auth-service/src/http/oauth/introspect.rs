//! `POST /oauth/introspect`: states whether a token is active (RFC 7662).

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use shared::claims::{AccessClaims, Audience, Scope, SessionId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OAuthError, parameters::Parameters, responses::RequestRefused};
use crate::{app::App, http::error::ApiError, oauth::IntrospectError};

/// An introspection response (RFC 7662 section 2.2).
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Introspection<'a> {
    Active(ActiveToken<'a>),
    Inactive(InactiveToken),
}

/// A token that is not active.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InactiveToken {
    /// `false`.
    active: bool,
}

/// One audience, or several (RFC 7519 section 4.1.3).
#[derive(ToSchema)]
#[schema(as = Audience)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a type of another crate")]
pub enum AudienceSchema {
    One(String),
    Many(Vec<String>),
}

/// An active access token. Times are seconds since the Unix epoch.
#[derive(Serialize, ToSchema)]
struct ActiveToken<'a> {
    /// `true`.
    active: bool,
    iss: &'a str,
    sub: &'a str,
    #[schema(value_type = AudienceSchema)]
    aud: &'a Audience,
    exp: i64,
    iat: i64,
    jti: Uuid,
    /// Id of the token's session.
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
    /// Always `Bearer` (RFC 6749 section 5.1).
    token_type: &'static str,
}

impl<'a> From<&'a AccessClaims> for ActiveToken<'a> {
    fn from(claims: &'a AccessClaims) -> Self {
        Self {
            active: true,
            iss: &claims.iss,
            sub: &claims.sub,
            aud: &claims.aud,
            exp: claims.exp,
            iat: claims.iat,
            jti: claims.jti,
            sid: claims.sid,
            scope: &claims.scope,
            roles: &claims.roles,
            username: claims.preferred_username.as_deref(),
            client_id: claims.client_id.as_deref(),
            token_type: "Bearer",
        }
    }
}

#[derive(ToSchema)]
#[schema(as = IntrospectionRequest, example = json!({"token": ""}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct IntrospectionFields {
    /// An access token.
    #[schema(min_length = 1)]
    token: String,
    /// Ignored.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// Id of a client that does not authenticate with the `Authorization` header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Introspect a token.
///
/// The answer states whether the token is an active access token: authentic, not expired, and of a
/// session that has not ended. A refresh token is not active, because no service but this one may
/// accept it. Every client may introspect every token.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    tag = "oauth",
    security(("client" = [])),
    request_body(content = IntrospectionFields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token's claims, or only `active: false`.",
            body = Introspection),
        RequestRefused,
    )
)]
pub async fn introspect(
    app: Data<App>,
    parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    parameters.authenticated_client(&app.clients).await?;
    let token = app.grants.introspect(parameters.required("token")?).await?;
    let introspection = match &token {
        Some(claims) => Introspection::Active(claims.as_ref().into()),
        None => Introspection::Inactive(InactiveToken { active: false }),
    };
    Ok(HttpResponse::Ok().json(introspection))
}

impl From<IntrospectError> for OAuthError {
    fn from(why: IntrospectError) -> Self {
        match why {
            IntrospectError::Undecidable(_) => Self::Other(ApiError::Unavailable),
            IntrospectError::SessionState(why) => ApiError::from(why).into(),
            IntrospectError::Store(why) => why.into(),
        }
    }
}
