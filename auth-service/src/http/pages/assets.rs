//! `GET /pages/style-….css` and `GET /pages/logo`: the files that the pages load.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    web::{Data, Path},
};

use super::service::Pages;
use crate::http::error::ApiError;

/// Returns the stylesheet. Its name changes with its content, so caches keep it for a year. Another
/// replica may run another version: its name gets this version's content for now.
pub async fn style(pages: Data<Pages>, hash: Path<String>) -> HttpResponse {
    let caching = match *hash == pages.style.hash {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(pages.style.content.clone())
}

/// Returns the operator's logo. Opened as a document, it runs no script.
pub async fn logo(pages: Data<Pages>) -> Result<HttpResponse, ApiError> {
    let logo = pages.logo.as_ref().ok_or(ApiError::NotFound("The pages have no logo."))?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((CONTENT_TYPE, logo.media_type))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(logo.content.clone()))
}
