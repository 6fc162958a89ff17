//! `GET /.well-known/oauth-authorization-server`: publishes the metadata of the service (RFC 8414),
//! also under the path of OpenID Connect.

use actix_web::{HttpResponse, http::header::CACHE_CONTROL, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, http::oauth::AUTHENTICATION_METHODS};

/// Metadata of an authorization server (RFC 8414 section 2).
#[derive(Serialize, ToSchema)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: &'a [&'a str],
    grant_types_supported: [&'a str; 2],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: &'a [&'a str],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: &'a [&'a str],
    /// Always empty, because the service has no authorization endpoint.
    response_types_supported: [&'a str; 0],
}

/// Get the metadata, at the path of OpenID Connect.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "discovery",
    responses((status = 200, description = "The metadata.", body = Metadata))
)]
pub async fn openid_configuration(app: Data<App>) -> HttpResponse {
    metadata(app).await
}

/// Get the metadata: the URLs of routes and keys, and what they support (RFC 8414).
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "discovery",
    responses((status = 200, description = "The metadata.", body = Metadata))
)]
pub async fn metadata(app: Data<App>) -> HttpResponse {
    let issuer = app.verifier.issuer();
    let at = |path| format!("{issuer}{path}");
    let or_none = [&AUTHENTICATION_METHODS[..], &["none"]].concat();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(Metadata {
        issuer,
        jwks_uri: at("/.well-known/jwks.json"),
        token_endpoint: at("/oauth/token"),
        token_endpoint_auth_methods_supported: &or_none,
        grant_types_supported: ["refresh_token", "client_credentials"],
        revocation_endpoint: at("/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: &or_none,
        introspection_endpoint: at("/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: &AUTHENTICATION_METHODS,
        response_types_supported: [],
    })
}
