//! The caller of a request, authenticated by an access token whose session has not ended.

use std::sync::Arc;

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use futures_util::future::LocalBoxFuture;
use shared::{AccessToken, claims::AccessClaims};

use crate::{app::App, http::error::ApiError};

/// The claims of the caller, a user or a client.
pub struct Caller(pub Arc<AccessClaims>);

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let token = AccessToken::from_request(request, payload);
        let app = request.app_data::<Data<App>>().cloned();
        Box::pin(async move {
            let AccessToken(claims) = token.await?;
            let app = app.ok_or(ApiError::Internal)?;
            app.sessions.refuse_ended(claims.sid).await?;
            Ok(Self(claims))
        })
    }
}

/// The claims of the caller, who must be a user.
pub struct CurrentUser(pub Arc<AccessClaims>);

impl FromRequest for CurrentUser {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let Caller(claims) = caller.await?;
            if claims.is_client_token() { Err(ApiError::NotAUser.into()) } else { Ok(Self(claims)) }
        })
    }
}
