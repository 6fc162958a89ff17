//! `POST /oauth/revoke`: end the session that a token belongs to (RFC 7009).

use actix_web::{HttpResponse, web::Data};
use utoipa::ToSchema;

use super::{OAuthError, Parameters, Refusals};
use crate::{
    app::App,
    domain::{
        audit::Initiator,
        session::{EndCause, Origin},
    },
    tokens::any_token::AnyToken,
};

#[derive(ToSchema)]
#[schema(as = RevocationRequest, example = json!({"token": ""}))]
#[expect(dead_code, reason = "says what the form takes")]
struct Fields {
    /// An access token or a refresh token.
    #[schema(min_length = 1)]
    token: String,
    /// Not needed, and ignored.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// End the session that a token belongs to.
///
/// Whoever has a person's token may do so, for it is how one that leaked is made useless; a client's own token, only that
/// client. A token that is worthless already is no error (RFC 7009 section 2.2).
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    tag = "oauth",
    security((), ("client" = [])),
    request_body(content = Fields, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is worth nothing from now on."), Refusals)
)]
pub async fn revoke(
    app: Data<App>,
    origin: Origin,
    parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    let client = parameters.client(&app).await?;
    let token = parameters.required("token")?;
    let by = match &client {
        Some(client) => Initiator::client(client.id.as_str(), origin),
        None => Initiator::anyone(origin),
    };
    match super::read(&app, token).await? {
        Some(AnyToken::Refresh(presented)) => {
            app.sessions.log_out(&presented, EndCause::Revocation, by).await?;
        }
        Some(AnyToken::Access(claims)) => {
            if claims.is_client_token() {
                let client = client.ok_or(OAuthError::InvalidClient)?;
                if claims.sub != client.id.as_str() {
                    return Err(OAuthError::UnauthorizedClient("The token is another client's."));
                }
            }
            app.sessions.end(&claims, by).await?;
        }
        None => {}
    }
    Ok(HttpResponse::Ok().finish())
}
