//! `POST /oauth/revoke`: ends the session of a token (RFC 7009).

use actix_web::{HttpResponse, web::Data};
use utoipa::ToSchema;

use super::{OAuthError, parameters::Parameters, responses::RequestRefused};
use crate::{app::App, domain::session::Origin, http::error::ApiError, oauth::RevokeError};

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

/// End the session of a token.
///
/// Any caller that presents a user's token may end the session of the token. Only the client itself
/// may end the session of a client's own token. A token that is not valid is no error (RFC 7009
/// section 2.2).
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    tag = "oauth",
    security((), ("client" = [])),
    request_body(content = RevocationFields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The session has ended, or the token was not valid."),
        RequestRefused,
    )
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

impl From<RevokeError> for OAuthError {
    fn from(why: RevokeError) -> Self {
        match why {
            RevokeError::Undecidable(_) => Self::Other(ApiError::Unavailable),
            RevokeError::Unauthenticated => Self::InvalidClient,
            RevokeError::OtherClient => Self::UnauthorizedClient("The token is another client's."),
            RevokeError::Store(why) => why.into(),
        }
    }
}
