//! A file a route, named as the route: request, answer, handler.

mod health;
mod jwks;
mod login;
mod logout;
mod me;
mod refresh;
mod register;
mod verify;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    web::{self, Data, ServiceConfig},
};
use futures_util::future::LocalBoxFuture;
use shared::{VerifyError, actix::AccessToken, claims::AccessClaims, service::resource};

use crate::{error::ApiError, state::State};

/// Mounts every route.
pub fn mount(app: &mut ServiceConfig) {
    app.service(resource("/register", "POST", web::post().to(register::register)))
        .service(resource("/login", "POST", web::post().to(login::login)))
        .service(resource("/token/refresh", "POST", web::post().to(refresh::refresh)))
        .service(resource("/token/verify", "POST", web::post().to(verify::verify)))
        .service(resource("/logout", "POST", web::post().to(logout::logout)))
        .service(resource("/me", "GET", web::get().to(me::me)))
        .service(resource("/.well-known/jwks.json", "GET", web::get().to(jwks::jwks)))
        .service(resource("/healthz", "GET", web::get().to(health::healthz)))
        .service(resource("/readyz", "GET", web::get().to(health::readyz)));
}

/// Who asks: a valid access token whose session has not ended.
pub struct Caller(pub AccessClaims);

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
