//! Routes below `/.well-known` (RFC 8615), with which verifiers and clients discover the service.
//! Web pages of all origins may read them.

pub mod jwks;
pub mod metadata;

use actix_web::web::ServiceConfig;
use service_kit::route::{public_resource, public_resource_at};
use utoipa::openapi::HttpMethod;

/// Mounts the routes. `base_path` is the path of the issuer's URL.
///
/// If the issuer's URL has a path, clients append it to the path of the metadata (RFC 8414 section
/// 3.1). A proxy that removes the issuer's path from other requests passes these on unchanged.
pub fn mount(app: &mut ServiceConfig, base_path: &str) {
    app.service(public_resource(jwks::__path_jwks, jwks::jwks))
        .service(public_resource(metadata::__path_metadata, metadata::metadata))
        .service(public_resource(
            metadata::__path_openid_configuration,
            metadata::openid_configuration,
        ));
    let path = base_path.trim_end_matches('/');
    if !path.is_empty() {
        let at = |name| format!("/.well-known/{name}{path}");
        let oauth = at("oauth-authorization-server");
        let openid = at("openid-configuration");
        app.service(public_resource_at(oauth, HttpMethod::Get, metadata::metadata))
            .service(public_resource_at(openid, HttpMethod::Get, metadata::openid_configuration));
    }
}
