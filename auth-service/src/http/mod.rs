//! Routes. A handler parses a request, calls a use case, and answers. Each route's file also states
//! how the errors of its use case are answered.
//!
//! | module | content |
//! |---|---|
//! | `api` | routes in the JSON dialect |
//! | `oauth` | routes in the dialect of OAuth 2.0 |
//! | `wellknown` | routes of discovery |
//! | `ops` | routes for operators |
//! | `admin` | routes for administrators |
//! | `pages` | pages that people sign in on |
//! | `form`, `member`, `body`, `extract`, `accept` | parsing of requests |
//! | `cookies` | cookies of sessions and devices |
//! | [`error`] | errors of the JSON dialect |
//! | [`server`] | the server |

mod accept;
mod admin;
mod api;
pub mod body;
mod cookies;
pub mod error;
mod extract;
pub mod form;
mod member;
mod oauth;
mod ops;
mod pages;
pub mod server;
mod wellknown;

use actix_web::web::ServiceConfig;
use service_kit::{
    health,
    openapi::{self, Authentication, FieldProblemSchema, FormBodies, ProblemSchema},
    route::{Methods, resource},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as OpenApiDocument,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};

/// The OpenAPI document of all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "auth-service",
        description = "Registers users, logs them in, and issues, refreshes and revokes tokens.\n\n\
            A body may be JSON or form-encoded, except below `/oauth`. Unknown fields are ignored. \
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
        api::me::change_me,
        api::me_delete::delete_me,
        api::me_delete::request_deletion,
        api::me_export::export,
        api::me_reauthenticate::reauthenticate,
        api::password::password,
        api::password_reset::password_reset,
        api::password_reset_confirm::password_reset_confirm,
        api::email_verify::request_verification,
        api::email_verify::confirm_verification,
        api::email_change::request_email_change,
        api::email_change::confirm_email_change,
        api::email_change_undo::undo_email_change,
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
    components(schemas(ProblemSchema, FieldProblemSchema, oauth::ErrorBody)),
    modifiers(&Authentication, &CookieAuthentication, &FormBodies)
)]
struct Document;

/// Adds the cookie of a session to the ways to authenticate.
struct CookieAuthentication;

impl Modify for CookieAuthentication {
    fn modify(&self, document: &mut OpenApiDocument) {
        let components = document.components.get_or_insert_default();
        let about = "The cookie of a session, which `POST /login` sets. It is in place of an access \
            token at every route that takes one of a user. A request that changes something must \
            come from a page of the issuer or of `BROWSER_ORIGINS`.";
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description("__Host-session", about));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

/// Which routes a listener serves.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Otherwise, `/metrics` and `/readyz` are at the ops listener only.
    pub ops_routes: bool,
    /// The routes below `/admin`.
    pub admin_routes: bool,
}

/// Mounts the routes. `base_path` is the path of the issuer, below which clients see the routes.
pub fn mount(app: &mut ServiceConfig, base_path: &str, served: Served) {
    app.service(resource(api::register::__path_register, api::register::register))
        .service(resource(api::login::__path_login, api::login::login))
        .service(resource(api::token_refresh::__path_refresh, api::token_refresh::refresh))
        .service(resource(api::token_verify::__path_verify, api::token_verify::verify))
        .service(resource(api::logout::__path_logout, api::logout::logout))
        .service(resource(api::logout_all::__path_logout_all, api::logout_all::logout_all))
        .service(
            Methods::of(api::me::__path_me, api::me::me)
                .and(api::me::__path_change_me, api::me::change_me)
                .and(api::me_delete::__path_delete_me, api::me_delete::delete_me)
                .resource(),
        )
        .configure(mount_account_changes)
        .service(resource(api::password::__path_password, api::password::password))
        .service(resource(
            api::password_reset_confirm::__path_password_reset_confirm,
            api::password_reset_confirm::password_reset_confirm,
        ))
        .service(resource(
            api::password_reset::__path_password_reset,
            api::password_reset::password_reset,
        ))
        .service(resource(
            api::email_verify::__path_request_verification,
            api::email_verify::request_verification,
        ))
        .service(resource(
            api::email_verify::__path_confirm_verification,
            api::email_verify::confirm_verification,
        ))
        .service(resource(api::sessions::__path_sessions, api::sessions::sessions))
        .service(resource(oauth::token::__path_token, oauth::token::token))
        .service(resource(oauth::revoke::__path_revoke, oauth::revoke::revoke))
        .service(resource(oauth::introspect::__path_introspect, oauth::introspect::introspect))
        .service(resource(api::auth_verify::__path_forward_auth, api::auth_verify::forward_auth))
        .service(resource(api::revocations::__path_revocations, api::revocations::revocations))
        .configure(|app| wellknown::mount(app, base_path))
        .service(resource(health::__path_healthz, health::healthz))
        // Last, because routes are tried in this order, and a path with a parameter takes longest.
        .service(resource(api::sessions::__path_end_session, api::sessions::end_session))
        // After the API, which is called far more often.
        .configure(pages::mount);
    if served.admin_routes {
        app.configure(admin::mount);
    }
    if served.ops_routes {
        app.service(resource(ops::readyz::__path_readyz, ops::readyz::readyz))
            .service(resource(ops::metrics::__path_metrics, ops::metrics::metrics));
    }
    let document: fn() -> OpenApiDocument =
        if served.admin_routes { with_admin_routes } else { Document::openapi };
    openapi::mount(app, document, base_path, served.ops_routes);
}

/// Returns the document of all routes, those below `/admin` included.
fn with_admin_routes() -> OpenApiDocument {
    Document::openapi().merge_from(admin::AdminDocument::openapi())
}

/// Mounts the routes at which users change, export and delete their accounts.
fn mount_account_changes(app: &mut ServiceConfig) {
    app.service(resource(
        api::email_change::__path_request_email_change,
        api::email_change::request_email_change,
    ))
    .service(resource(
        api::email_change::__path_confirm_email_change,
        api::email_change::confirm_email_change,
    ))
    .service(resource(
        api::email_change_undo::__path_undo_email_change,
        api::email_change_undo::undo_email_change,
    ))
    .service(resource(api::me_delete::__path_request_deletion, api::me_delete::request_deletion))
    .service(resource(api::me_export::__path_export, api::me_export::export))
    .service(resource(
        api::me_reauthenticate::__path_reauthenticate,
        api::me_reauthenticate::reauthenticate,
    ));
}

/// Mounts the routes of the ops listener.
pub fn mount_ops(app: &mut ServiceConfig) {
    app.service(resource(health::__path_healthz, health::healthz))
        .service(resource(ops::readyz::__path_readyz, ops::readyz::readyz))
        .service(resource(ops::metrics::__path_metrics, ops::metrics::metrics));
}
