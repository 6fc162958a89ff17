//! A file a route, named as the route: request, answer, handler.

mod any_token;
mod forward_auth;
mod jwks;
mod login;
mod logout;
mod logout_all;
mod me;
mod metadata;
mod metrics;
mod oauth;
mod origin;
mod password;
mod readyz;
mod refresh;
mod register;
mod revocations;
mod sessions;
mod verify;

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    web::{Data, ServiceConfig},
};
use futures_util::future::LocalBoxFuture;
use shared::{
    AccessToken,
    claims::AccessClaims,
    problem::Problem,
    service::{
        health,
        openapi::{self, Authentication},
        resource,
    },
};
use utoipa::OpenApi;

use crate::{error::ApiError, state::State};

/// The document of every route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "auth-service",
        description = "Registers people, logs them in, and issues, refreshes and revokes tokens.\n\n\
            Every path also with a trailing slash; HEAD where there is GET.",
    ),
    tags(
        (name = "people", description = "Register, log in, refresh, log out."),
        (name = "oauth", description = "The same sessions in the standard's dialect (OAuth 2.0)."),
        (name = "services", description = "For services that verify tokens by themselves."),
        (name = "proxies", description = "For proxies that ask before they let a request through."),
        (name = "discovery", description = "What verifiers and clients need to know."),
        (name = "about", description = "This service itself."),
    ),
    paths(
        register::register,
        login::login,
        refresh::refresh,
        verify::verify,
        logout::logout,
        logout_all::logout_all,
        me::me,
        password::password,
        sessions::sessions,
        sessions::end_session,
        oauth::token::token,
        oauth::revoke::revoke,
        oauth::introspect::introspect,
        revocations::revocations,
        forward_auth::forward_auth,
        jwks::jwks,
        metadata::metadata,
        metadata::openid_configuration,
        health::healthz,
        readyz::readyz,
        metrics::metrics,
        openapi::openapi,
        openapi::docs,
    ),
    components(schemas(Problem, oauth::ErrorBody)),
    modifiers(&Authentication)
)]
struct Document;

/// Mounts every route, but for `/metrics` if that is elsewhere.
pub fn mount(app: &mut ServiceConfig, shows_metrics: bool) {
    app.service(resource(register::__path_register, register::register))
        .service(resource(login::__path_login, login::login))
        .service(resource(refresh::__path_refresh, refresh::refresh))
        .service(resource(verify::__path_verify, verify::verify))
        .service(resource(logout::__path_logout, logout::logout))
        .service(resource(logout_all::__path_logout_all, logout_all::logout_all))
        .service(resource(me::__path_me, me::me))
        .service(resource(password::__path_password, password::password))
        .service(resource(sessions::__path_sessions, sessions::sessions))
        .service(resource(oauth::token::__path_token, oauth::token::token))
        .service(resource(oauth::revoke::__path_revoke, oauth::revoke::revoke))
        .service(resource(oauth::introspect::__path_introspect, oauth::introspect::introspect))
        .service(resource(forward_auth::__path_forward_auth, forward_auth::forward_auth))
        .service(resource(revocations::__path_revocations, revocations::revocations))
        .service(resource(jwks::__path_jwks, jwks::jwks))
        .service(resource(metadata::__path_metadata, metadata::metadata))
        .service(resource(metadata::__path_openid_configuration, metadata::openid_configuration))
        .service(resource(health::__path_healthz, health::healthz))
        .service(resource(readyz::__path_readyz, readyz::readyz))
        // They are tried in this order. This one has a parameter, and takes longest to try.
        .service(resource(sessions::__path_end_session, sessions::end_session));
    if shows_metrics {
        app.service(resource(metrics::__path_metrics, metrics::metrics));
    }
    openapi::mount(app, Document::openapi, shows_metrics);
}

/// Mounts what is for those who run the service.
pub fn mount_aside(app: &mut ServiceConfig) {
    app.service(resource(health::__path_healthz, health::healthz))
        .service(resource(readyz::__path_readyz, readyz::readyz))
        .service(resource(metrics::__path_metrics, metrics::metrics));
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
            state.sessions.refuse_ended(claims.sid).await?;
            Ok(Self(claims))
        })
    }
}

/// Who asks, if it is a person, and no client.
pub struct Person(pub Arc<AccessClaims>);

impl FromRequest for Person {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let Caller(claims) = caller.await?;
            if claims.is_of_client() { Err(ApiError::NotAUser.into()) } else { Ok(Self(claims)) }
        })
    }
}
