//! A service's OpenAPI document, generated from its handlers, and a page to browse it.

pub mod docs;
mod responses;

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    web::{Bytes, Data, ServiceConfig},
};
use utoipa::openapi::{HttpMethod, OpenApi};

pub use self::{
    docs::{__path_docs, docs},
    responses::{
        Authentication, BadBody, Forbidden, ProblemSchema, Unauthorized, Unavailable, header,
    },
};
use crate::route::{resource, resource_at};

/// The document as JSON, generated at the first request: that takes a third of the time of a
/// start, and a megabyte.
pub struct Document(LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>);

/// Mounts `/openapi.json`, `/docs`, and a redirect from `/` to `/docs`. The document contains
/// `/metrics` only if `serves_metrics`.
pub fn mount(app: &mut ServiceConfig, document: fn() -> OpenApi, serves_metrics: bool) {
    let json = move || {
        let mut document = document();
        if !serves_metrics {
            document.paths.paths.shift_remove("/metrics");
        }
        let json = document.to_json();
        json.expect("a document contains strings, numbers and lists of them").into()
    };
    app.app_data(Data::new(Document(LazyLock::new(Box::new(json)))))
        .service(resource(__path_openapi, openapi))
        .service(resource(__path_docs, docs))
        .service(resource_at("/".into(), HttpMethod::Get, docs::redirect_to_docs));
}

/// This document.
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
