//! `GET /docs`: a page that shows the OpenAPI document and sends requests.
//!
//! The page is plain HTML, CSS and JavaScript, and loads nothing from elsewhere. Its script is one
//! `<script>` element, which these files make up in this order:
//!
//! | file | content |
//! |---|---|
//! | `dom.js` | elements |
//! | `state.js` | constants, the document, the credentials |
//! | `schema.js` | references and schemas of the document |
//! | `reference.js` | the description of an operation |
//! | `try_it.js` | the form that sends a request |
//! | `page.js` | the page around the operations |

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS,
    },
    web::Bytes,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};

const STYLE: &str = include_str!("style.css");

const SCRIPT: &str = concat!(
    include_str!("dom.js"),
    include_str!("state.js"),
    include_str!("schema.js"),
    include_str!("reference.js"),
    include_str!("try_it.js"),
    include_str!("page.js"),
);

static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let page = include_str!("page.html").replacen("STYLE", STYLE, 1).replacen("SCRIPT", SCRIPT, 1);
    page.into()
});

/// Allows the page's own script and style, and requests to this service. Forbids the rest.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE),
    )
});

/// Get a page that shows this document and sends requests.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "about",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
    )
)]
pub async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(PAGE.clone())
}

/// `GET /`: redirects to the page, for people who open the service's address in a browser.
pub async fn redirect_to_docs() -> HttpResponse {
    // Relative: a proxy may serve `/` of this service as the path of a folder.
    HttpResponse::Found().insert_header((LOCATION, "docs")).finish()
}
