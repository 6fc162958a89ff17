//! A service's OpenAPI document, generated from its handlers, and a page to browse it.

pub mod docs;
mod responses;

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    web::{Bytes, Data, ServiceConfig},
};
use utoipa::openapi::{HttpMethod, OpenApi, Server};

pub use self::{
    docs::{__path_docs, docs},
    responses::{
        Authentication, BadBody, ErrorResponse, FieldProblemSchema, Forbidden, FormBodies,
        ProblemSchema, Responses, TooManyFailures, Unauthorized, Unavailable, error_responses,
    },
};
use crate::route::{resource, resource_at};

/// The document as JSON. Each worker generates its own document, at the first request for it: the
/// generation takes a third of the time of a start, and a megabyte.
pub struct Document(LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>);

/// Mounts `/openapi.json` and `/docs`. The document contains `/metrics` and `/readyz` only if
/// `serves_ops_routes`. `base_path` is the path of the service as clients see it, empty or as
/// `/auth`.
pub fn mount(
    app: &mut ServiceConfig,
    document: fn() -> OpenApi,
    base_path: &str,
    serves_ops_routes: bool,
) {
    let base_path = base_path.to_owned();
    let json = move || {
        let mut document = document();
        if !base_path.is_empty() {
            document.servers = Some(vec![Server::new(&base_path)]);
        }
        if !serves_ops_routes {
            document.paths.paths.shift_remove("/metrics");
            document.paths.paths.shift_remove("/readyz");
        }
        let json = document.to_json();
        json.expect("a document contains strings, numbers and lists of them").into()
    };
    app.app_data(Data::new(Document(LazyLock::new(Box::new(json)))))
        .service(resource(__path_openapi, openapi))
        .service(resource(__path_docs, docs));
}

/// Mounts a redirect from `/` to `/docs`, for a service that has no other page.
pub fn mount_home(app: &mut ServiceConfig) {
    app.service(resource_at("/".into(), HttpMethod::Get, docs::redirect_to_docs));
}

/// Get this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "about",
    responses((status = 200, description = "The OpenAPI document.", body = Object))
)]
pub async fn openapi(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(document.0.clone())
}
