//! A file a route, named as the route: request, answer, handler.

mod forward_auth;
mod health;
mod jwks;
mod login;
mod logout;
mod me;
mod metadata;
mod oauth;
mod refresh;
mod register;
mod verify;

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    web::{Data, ServiceConfig},
};
use futures_util::future::LocalBoxFuture;
use shared::{
    AccessToken, VerifyError,
    claims::AccessClaims,
    service::{Takes, resource},
};

use crate::{error::ApiError, state::State};

/// Mounts every route.
pub fn mount(app: &mut ServiceConfig) {
    app.service(resource("/register", Takes::Post, register::register))
        .service(resource("/login", Takes::Post, login::login))
        .service(resource("/token/refresh", Takes::Post, refresh::refresh))
        .service(resource("/token/verify", Takes::Post, verify::verify))
        .service(resource("/logout", Takes::Post, logout::logout))
        .service(resource("/oauth/token", Takes::Post, oauth::token::token))
        .service(resource("/oauth/revoke", Takes::Post, oauth::revoke::revoke))
        .service(resource("/oauth/introspect", Takes::Post, oauth::introspect::introspect))
        .service(resource("/auth/verify", Takes::Get, forward_auth::verify))
        .service(resource("/me", Takes::Get, me::me))
        .service(resource("/.well-known/jwks.json", Takes::Get, jwks::jwks))
        .service(resource("/.well-known/oauth-authorization-server", Takes::Get, metadata::metadata))
        .service(resource("/.well-known/openid-configuration", Takes::Get, metadata::metadata))
        .service(resource("/healthz", Takes::Get, health::healthz))
        .service(resource("/readyz", Takes::Get, health::readyz));
}

/// Who asks: a valid access token whose session has not ended.
pub struct Caller(pub Arc<AccessClaims>);

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let token = AccessToken::from_request(request, payload);
        let state = request.app_data::<Data<State>>().cloned();
        Box::pin(async move {
            let AccessToken(claims) = token.await?;
            let state = state.ok_or(ApiError::Internal)?;
            refuse_ended(&state, &claims).await?;
            Ok(Self(claims))
        })
    }
}

/// Refuses an access token whose session has ended. While the blacklist is out of reach it is accepted, as every
/// resource service accepts it, until it expires.
async fn refuse_ended(state: &State, claims: &AccessClaims) -> Result<(), VerifyError> {
    match state.sessions.has_ended(claims.sid).await {
        Ok(true) => Err(VerifyError::Revoked),
        Ok(false) | Err(_) => Ok(()),
    }
}
