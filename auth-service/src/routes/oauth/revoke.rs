//! `POST /oauth/revoke`: end the session that a token belongs to (RFC 7009).

use actix_web::{HttpResponse, web::Data};
use shared::VerifyError;

use super::{OAuthError, Parameters};
use crate::{error::ApiError, state::State, store::sessions::Cause, tokens::RefreshError};

/// `POST /oauth/revoke`: end the session that a token belongs to. Whoever has a person's token may do so, for it is how
/// one that leaked is made useless; a client's own token, only that client. A token that is worthless already is no error
/// (RFC 7009 section 2.2).
pub async fn revoke(state: Data<State>, parameters: Parameters) -> Result<HttpResponse, OAuthError> {
    let client = parameters.client(&state).await?;
    let token = parameters.required("token")?;
    match state.tokens.read_refresh(token) {
        Ok(presented) => {
            state.sessions.log_out(&presented, Cause::Revocation).await?;
        }
        Err(RefreshError::Expired | RefreshError::Revoked) => {}
        Err(RefreshError::Invalid) => match state.verifier.verify(token).await {
            Ok(claims) => {
                if claims.client_id.is_some() {
                    let client = client.ok_or(OAuthError::InvalidClient)?;
                    if claims.client_id.as_deref() != Some(client.id.as_str()) {
                        return Err(OAuthError::UnauthorizedClient("The token is another client's."));
                    }
                }
                state.sessions.end(&claims).await?;
            }
            Err(VerifyError::KeysUnavailable) => return Err(ApiError::Unavailable.into()),
            Err(_) => {}
        },
    }
    Ok(HttpResponse::Ok().finish())
}
