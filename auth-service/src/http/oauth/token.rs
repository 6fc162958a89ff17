//! `POST /oauth/token`: tokens for a refresh token or for a client in its own right (RFC 6749 sections 4.4, 5 and 6).

use actix_web::web::{Data, Json};
use serde::Serialize;
use shared::claims::{Scope, is_scope_name};
use utoipa::ToSchema;

use super::{OAuthError, Parameters, Refusals};
use crate::{
    app::App,
    domain::session::Origin,
    http::{api::token_refresh::trade, error::ApiError},
};

/// RFC 6749 section 5.1.
#[derive(Serialize, ToSchema)]
pub struct Issued {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// What the access token grants. Not there if that is nothing.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String, required = false)]
    scope: Scope,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the form takes")]
enum GrantType {
    RefreshToken,
    ClientCredentials,
}

#[derive(ToSchema)]
#[schema(as = TokenRequest, example = json!({"grant_type": "refresh_token", "refresh_token": ""}))]
#[expect(dead_code, reason = "says what the form takes")]
struct Fields {
    #[schema(inline)]
    grant_type: GrantType,
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// Less scope than may be granted, separated by spaces.
    #[schema(nullable = false, pattern = "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$")]
    scope: Option<String>,
    /// Where the client does not authenticate itself by the header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Get tokens: for a refresh token, or for a client in its own right.
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "oauth",
    security((), ("client" = [])),
    request_body(content = Fields, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The tokens.", body = Issued), Refusals)
)]
pub async fn token(
    app: Data<App>,
    origin: Origin,
    parameters: Parameters,
) -> Result<Json<Issued>, OAuthError> {
    let wanted = wanted_scope(&parameters)?;
    let narrow = |granted: &Scope| match &wanted {
        None => Ok(granted.clone()),
        Some(wanted) if granted.contains_all(wanted) => Ok(wanted.clone()),
        Some(_) => Err(OAuthError::InvalidScope),
    };
    let (access_token, refresh_token, expires_in, scope) = match parameters.required("grant_type")? {
        "refresh_token" => {
            let refresh = parameters.required("refresh_token")?;
            // Refresh tokens are people's, not clients'. A client may say who it is, and is then held to it.
            parameters.client(&app).await?;
            let (tokens, scope) = trade(&app, refresh, &origin, narrow).await?;
            (tokens.access, Some(tokens.refresh), tokens.access_lifetime_secs, scope)
        }
        "client_credentials" => {
            let client = parameters.authenticated_client(&app).await?;
            let scope = narrow(&client.scope.into())?;
            let minter = app.tokens.minter().map_err(ApiError::from)?;
            let access = minter.for_client(client.id.as_str().into(), scope.clone());
            (access, None, app.tokens.access_lifetime_secs(), scope)
        }
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    Ok(Json(Issued { access_token, token_type: "Bearer", expires_in, refresh_token, scope }))
}

fn wanted_scope(parameters: &Parameters) -> Result<Option<Scope>, OAuthError> {
    let Some(text) = parameters.get("scope") else { return Ok(None) };
    if text.split(' ').all(is_scope_name) {
        Ok(Some(text.to_owned().into()))
    } else {
        Err(OAuthError::InvalidScope)
    }
}
