//! Paths that do not exist: a page for people, and problem details for programs.

use actix_web::{HttpResponse, http::StatusCode};
use service_kit::route;

use super::{
    view::{Link, View},
    visit::Visit,
};
use crate::http::accept::accepts_html;

/// Answers a path that no route takes.
pub async fn not_found(visit: Visit) -> HttpResponse {
    if !visit.request.method().is_safe() || !accepts_html(&visit.request) {
        return route::not_found(visit.request).await;
    }
    let texts = visit.pages.templates.texts(visit.language);
    let label = texts.text("not_found_link", &[]).unwrap_or_default();
    let link = Link { href: format!("{}/", visit.pages.base), label };
    let view = View::Problem { title: "not_found_title", link: Some(link) };
    visit.page(view).refused_by_page(StatusCode::NOT_FOUND, "not_found_text").send()
}
