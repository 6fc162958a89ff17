//! Routes. A handler parses a request, calls a use case, and answers. Each route's file also states
//! how the errors of its use case are answered.
//!
//! | module | content |
//! |---|---|
//! | `api` | routes in the JSON dialect |
//! | `oauth` | routes in the dialect of OAuth 2.0 |
//! | `wellknown` | routes of discovery |
//! | `ops` | routes for operators |
//! | `form`, `extract` | parsing of requests |
//! | [`error`] | errors of the JSON dialect |
//! | [`server`] | the server |

mod api;
pub mod error;
mod extract;
pub mod form;
mod oauth;
mod ops;
pub mod server;
mod wellknown;

use actix_web::web::ServiceConfig;
use service_kit::{
    health,
    openapi::{self, Authentication, ProblemSchema},
    route::resource,
};
use utoipa::OpenApi;

/// The OpenAPI document of all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "auth-service",
        description = "Registers users, logs them in, and issues, refreshes and revokes tokens.\n\n\
            Every path also works with a trailing slash. Every route with GET also answers HEAD.",
    ),
    tags(
        (name = "people", description = "For users: register, log in, refresh, log out."),
        (name = "oauth", description = "For clients of OAuth 2.0: sessions and tokens."),
        (name = "services", description = "For services that verify access tokens."),
        (name = "proxies", description = "For proxies that authorize requests."),
        (name = "discovery", description = "For verifiers and clients: keys and metadata."),
        (name = "about", description = "For operators: health, metrics, and this document."),
    ),
    paths(
        api::register::register,
        api::login::login,
        api::token_refresh::refresh,
        api::token_verify::verify,
        api::logout::logout,
        api::logout_all::logout_all,
        api::me::me,
        api::password::password,
        api::sessions::sessions,
        api::sessions::end_session,
        oauth::token::token,
        oauth::revoke::revoke,
        oauth::introspect::introspect,
        api::revocations::revocations,
        api::auth_verify::forward_auth,
        wellknown::jwks::jwks,
        wellknown::metadata::metadata,
        wellknown::metadata::openid_configuration,
        health::healthz,
        ops::readyz::readyz,
        ops::metrics::metrics,
        openapi::openapi,
        openapi::docs,
    ),
    components(schemas(ProblemSchema, oauth::ErrorBody)),
    modifiers(&Authentication)
)]
struct Document;

/// Mounts all routes. Without `serves_metrics`, `/metrics` is at the ops listener only.
pub fn mount(app: &mut ServiceConfig, serves_metrics: bool) {
    app.service(resource(api::register::__path_register, api::register::register))
        .service(resource(api::login::__path_login, api::login::login))
        .service(resource(api::token_refresh::__path_refresh, api::token_refresh::refresh))
        .service(resource(api::token_verify::__path_verify, api::token_verify::verify))
        .service(resource(api::logout::__path_logout, api::logout::logout))
        .service(resource(api::logout_all::__path_logout_all, api::logout_all::logout_all))
        .service(resource(api::me::__path_me, api::me::me))
        .service(resource(api::password::__path_password, api::password::password))
        .service(resource(api::sessions::__path_sessions, api::sessions::sessions))
        .service(resource(oauth::token::__path_token, oauth::token::token))
        .service(resource(oauth::revoke::__path_revoke, oauth::revoke::revoke))
        .service(resource(oauth::introspect::__path_introspect, oauth::introspect::introspect))
        .service(resource(api::auth_verify::__path_forward_auth, api::auth_verify::forward_auth))
        .service(resource(api::revocations::__path_revocations, api::revocations::revocations))
        .service(resource(wellknown::jwks::__path_jwks, wellknown::jwks::jwks))
        .service(resource(wellknown::metadata::__path_metadata, wellknown::metadata::metadata))
        .service(resource(
            wellknown::metadata::__path_openid_configuration,
            wellknown::metadata::openid_configuration,
        ))
        .service(resource(health::__path_healthz, health::healthz))
        .service(resource(ops::readyz::__path_readyz, ops::readyz::readyz))
        // Last, because routes are tried in this order, and a path with a parameter takes longest.
        .service(resource(api::sessions::__path_end_session, api::sessions::end_session));
    if serves_metrics {
        app.service(resource(ops::metrics::__path_metrics, ops::metrics::metrics));
    }
    openapi::mount(app, Document::openapi, serves_metrics);
}

/// Mounts the routes of the ops listener.
pub fn mount_ops(app: &mut ServiceConfig) {
    app.service(resource(health::__path_healthz, health::healthz))
        .service(resource(ops::readyz::__path_readyz, ops::readyz::readyz))
        .service(resource(ops::metrics::__path_metrics, ops::metrics::metrics));
}
