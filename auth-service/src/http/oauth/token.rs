//! `POST /oauth/token`: tokens for a refresh token, or for a client in its own right (RFC 6749 sections 4.4, 5 and 6).

use actix_web::web::{Data, Json};
use serde::Serialize;
use shared::claims::{Scope, is_scope_name};
use utoipa::ToSchema;

use super::{OAuthError, Parameters, Refusals};
use crate::{app::App, domain::session::Origin, oauth::grants::ClientToken, sessions::Refreshed};

const BEARER: &str = "Bearer";

/// An access token response (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Issued)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    /// Lifetime of the access token, in seconds.
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// Scope of the access token. Absent if it grants none.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String, required = false)]
    scope: Scope,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the fields of the form")]
enum GrantType {
    RefreshToken,
    ClientCredentials,
}

#[derive(ToSchema)]
#[schema(as = TokenRequest, example = json!({"grant_type": "refresh_token", "refresh_token": ""}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct TokenFields {
    #[schema(inline)]
    grant_type: GrantType,
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// Scopes to grant, separated by spaces: all or part of what may be granted.
    #[schema(nullable = false, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$")]
    scope: Option<String>,
    /// For a client that does not authenticate by the `Authorization` header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Returns tokens: for a refresh token, or for a client in its own right.
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "oauth",
    security((), ("client" = [])),
    request_body(content = TokenFields, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The tokens.", body = TokenResponse), Refusals)
)]
pub async fn token(
    app: Data<App>,
    origin: Origin,
    parameters: Parameters,
) -> Result<Json<TokenResponse>, OAuthError> {
    let wanted = wanted_scope(&parameters)?;
    let response = match parameters.required("grant_type")? {
        "refresh_token" => {
            let refresh = parameters.required("refresh_token")?;
            // A refresh token belongs to a user. A client need not authenticate, but credentials that it presents must be right.
            parameters.client(&app.clients).await?;
            TokenResponse::from(app.sessions.refresh(refresh, wanted.as_ref(), &origin).await?)
        }
        "client_credentials" => {
            let client = parameters.authenticated_client(&app.clients).await?;
            TokenResponse::from(app.grants.client_credentials(&client, wanted.as_ref())?)
        }
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    Ok(Json(response))
}

impl From<Refreshed> for TokenResponse {
    fn from(Refreshed { tokens, scope }: Refreshed) -> Self {
        Self {
            access_token: tokens.access,
            token_type: BEARER,
            expires_in: tokens.access_lifetime_secs,
            refresh_token: Some(tokens.refresh),
            scope,
        }
    }
}

impl From<ClientToken> for TokenResponse {
    fn from(ClientToken { access, expires_in, scope }: ClientToken) -> Self {
        Self { access_token: access, token_type: BEARER, expires_in, refresh_token: None, scope }
    }
}

fn wanted_scope(parameters: &Parameters) -> Result<Option<Scope>, OAuthError> {
    let Some(text) = parameters.get("scope") else { return Ok(None) };
    if text.split(' ').all(is_scope_name) {
        Ok(Some(text.to_owned().into()))
    } else {
        Err(OAuthError::InvalidScope)
    }
}
