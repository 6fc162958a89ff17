//! `POST /oauth/token`: exchanges a refresh token, or mints a client's own token (RFC 6749 sections
//! 4.4, 5 and 6).

use actix_web::web::{Data, Json};
use serde::Serialize;
use shared::claims::Scope;
use utoipa::ToSchema;

use super::{OAuthError, parameters::Parameters, responses::RequestRefused};
use crate::{
    app::App,
    domain::session::Origin,
    http::error::ApiError,
    oauth::{ClientCredentialsError, ClientToken, RefreshGrantError},
    sessions::{RefreshError, Refreshed},
};

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
    /// Scopes of the access token, separated by spaces. Missing if the token has none.
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
    /// Scopes to grant, separated by spaces. Missing: all that may be granted.
    #[schema(nullable = false, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$")]
    scope: Option<String>,
    /// Audience of the access token (RFC 8707). May occur several times. Missing: all audiences that
    /// may be granted.
    #[schema(nullable = false)]
    resource: Option<String>,
    /// Id of a client that does not authenticate with the `Authorization` header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Get tokens.
///
/// A refresh token (`grant_type=refresh_token`) is exchanged for a new token pair, by the client
/// that it was issued to: for the token of a login, a caller that does not authenticate. If refresh
/// tokens do not rotate, the answer has only an access token. A client gets an access token of its
/// own (`grant_type=client_credentials`).
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "oauth",
    security((), ("client" = [])),
    request_body(content = TokenFields, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "New tokens.", body = TokenResponse), RequestRefused)
)]
pub async fn token(
    app: Data<App>,
    origin: Origin,
    parameters: Parameters,
) -> Result<Json<TokenResponse>, OAuthError> {
    let wanted = parameters.wanted()?;
    let response: TokenResponse = match parameters.required("grant_type")? {
        "refresh_token" => {
            let refresh = parameters.required("refresh_token")?;
            let client_id = parameters.presenting_client(&app.clients).await?;
            app.grants.refresh(refresh, &client_id, &wanted, &origin).await?.into()
        }
        "client_credentials" => {
            let client = parameters.authenticated_client(&app.clients).await?;
            app.grants.client_credentials(&client, &wanted)?.into()
        }
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    Ok(Json(response))
}

impl From<RefreshGrantError> for OAuthError {
    fn from(why: RefreshGrantError) -> Self {
        match why {
            RefreshGrantError::OtherClient => {
                Self::InvalidGrant("The refresh token was issued to another client.".into())
            }
            RefreshGrantError::Refresh(RefreshError::Scope(why)) => why.into(),
            RefreshGrantError::Refresh(RefreshError::Audience(why)) => why.into(),
            RefreshGrantError::Refresh(why) => ApiError::from(why).into(),
        }
    }
}

impl From<ClientCredentialsError> for OAuthError {
    fn from(why: ClientCredentialsError) -> Self {
        match why {
            ClientCredentialsError::Scope(why) => why.into(),
            ClientCredentialsError::Audience(why) => why.into(),
            ClientCredentialsError::NoSigningKey(why) => ApiError::from(why).into(),
        }
    }
}

impl From<Refreshed> for TokenResponse {
    fn from(refreshed: Refreshed) -> Self {
        Self {
            access_token: refreshed.access,
            token_type: BEARER,
            expires_in: refreshed.access_lifetime_secs,
            refresh_token: refreshed.refresh,
            scope: refreshed.scope,
        }
    }
}

impl From<ClientToken> for TokenResponse {
    fn from(ClientToken { access, expires_in, scope }: ClientToken) -> Self {
        Self { access_token: access, token_type: BEARER, expires_in, refresh_token: None, scope }
    }
}
