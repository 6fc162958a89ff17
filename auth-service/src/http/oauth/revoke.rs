//! `POST /oauth/revoke`: ends the session of a token (RFC 7009).

use actix_web::{HttpResponse, web::Data};
use utoipa::ToSchema;

use super::{OAuthError, Parameters, Refusals};
use crate::{app::App, domain::session::Origin};

#[derive(ToSchema)]
#[schema(as = RevocationRequest, example = json!({"token": ""}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RevocationFields {
    /// An access token or a refresh token.
    #[schema(min_length = 1)]
    token: String,
    /// Ignored.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// Ends the session of a token.
///
/// Whoever presents a user's token may do so, because that is how a leaked token is made worthless. A client's own token is for that
/// client alone. A token that is worthless already is no error (RFC 7009 section 2.2).
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    tag = "oauth",
    security((), ("client" = [])),
    request_body(content = RevocationFields, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is worthless from now on."), Refusals)
)]
pub async fn revoke(
    app: Data<App>,
    origin: Origin,
    parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    let client = parameters.client(&app.clients).await?;
    let token = parameters.required("token")?;
    app.grants.revoke(token, client.as_ref(), origin).await?;
    Ok(HttpResponse::Ok().finish())
}
