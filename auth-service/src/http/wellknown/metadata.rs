//! `GET /.well-known/oauth-authorization-server`: publishes the metadata of the service (RFC 8414),
//! also under the path of OpenID Connect.

use actix_web::{HttpResponse, http::header::CACHE_CONTROL, web::Data};
use serde::Serialize;
use service_kit::openapi::Unavailable;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{error::ApiError, oauth::AUTHENTICATION_METHODS},
};

/// Metadata of an authorization server (RFC 8414 section 2). No list is empty (section 3.2).
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
    /// Always `none`: the service has no authorization endpoint. RFC 8414 requires the member, and
    /// allows no empty list.
    response_types_supported: [&'a str; 1],
}

/// The metadata, with what clients need that look for it at the path of OpenID Connect.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenIdMetadata)]
struct OpenIdMetadata<'a> {
    #[serde(flatten)]
    metadata: Metadata<'a>,
    /// Algorithms of the published keys. Clients of OpenID Connect accept no other algorithm, and
    /// only RS256 if this member is missing.
    id_token_signing_alg_values_supported: &'a [String],
}

impl<'a> Metadata<'a> {
    fn new(issuer: &'a str, or_none: &'a [&'a str]) -> Self {
        let at = |path| format!("{issuer}{path}");
        Self {
            issuer,
            jwks_uri: at("/.well-known/jwks.json"),
            token_endpoint: at("/oauth/token"),
            token_endpoint_auth_methods_supported: or_none,
            grant_types_supported: ["refresh_token", "client_credentials"],
            revocation_endpoint: at("/oauth/revoke"),
            revocation_endpoint_auth_methods_supported: or_none,
            introspection_endpoint: at("/oauth/introspect"),
            introspection_endpoint_auth_methods_supported: &AUTHENTICATION_METHODS,
            response_types_supported: ["none"],
        }
    }
}

/// Get the metadata, at the path of OpenID Connect.
///
/// The service is not an OpenID provider: it has no authorization endpoint and issues no ID tokens.
/// Verifiers that look for the keys at this path find them.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "discovery",
    responses(
        (status = 200, description = "The metadata.", body = OpenIdMetadata),
        Unavailable,
    )
)]
pub async fn openid_configuration(app: Data<App>) -> Result<HttpResponse, ApiError> {
    let keys = app.signing_keys.jwks().ok_or(ApiError::ReplicaNotReady)?;
    let or_none = authentication_methods();
    Ok(cacheable(&OpenIdMetadata {
        metadata: Metadata::new(app.verifier.issuer(), &or_none),
        id_token_signing_alg_values_supported: &keys.algorithms,
    }))
}

/// Get the metadata: the URLs of routes and keys, and what they support (RFC 8414).
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "discovery",
    responses((status = 200, description = "The metadata.", body = Metadata))
)]
pub async fn metadata(app: Data<App>) -> HttpResponse {
    cacheable(&Metadata::new(app.verifier.issuer(), &authentication_methods()))
}

/// Returns how a client may authenticate where it need not.
fn authentication_methods() -> Vec<&'static str> {
    [&AUTHENTICATION_METHODS[..], &["none"]].concat()
}

fn cacheable(metadata: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(metadata)
}
