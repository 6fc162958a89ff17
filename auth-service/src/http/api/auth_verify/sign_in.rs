//! `sign_in=redirect`: sends a user who opens a page, and is not signed in, to the sign-in page.

use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue, LOCATION, VARY},
    },
};
use service_kit::answer_headers;

use super::original_request::OriginalRequest;
use crate::{
    app::App,
    domain::sign_in_redirect::{NoRedirect, sign_in_redirect},
    tokens::Credential,
};

/// Headers of a request that decide between a redirect and a 401.
const DECIDING: HeaderValue =
    HeaderValue::from_static("Accept, Authorization, Cookie, Sec-Fetch-Mode");
/// Minimum time between two warnings, in seconds. A client can choose the host of its requests.
const WARNING_INTERVAL_SECS: i64 = 3600;

/// Returns the redirect of a request that was refused with `refusal`. `None` if the refusal is the
/// answer.
pub fn redirect(
    app: &App,
    question: &HttpRequest,
    refusal: &actix_web::Error,
) -> Option<HttpResponse> {
    if refusal.as_response_error().status_code() != StatusCode::UNAUTHORIZED {
        return None;
    }
    answer_headers::add(question, VARY, DECIDING);
    // A sign-in sets a cookie, which does not count beside an `Authorization` header.
    if Credential::of(question) != Credential::Cookie {
        return None;
    }
    let original = OriginalRequest::of(question);
    if !original.is_page_view() {
        return None;
    }
    let url = original.url().ok_or(NoRedirect::UnknownUrl);
    let page = url.and_then(|url| sign_in_redirect(app.verifier.issuer(), &app.origins, url));
    match page {
        Ok(page) if app.cookies.is_some() => Some(see_other(page.as_str())),
        Ok(_) => None,
        Err(why) => {
            warn(app, &why);
            None
        }
    }
}

fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, location))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// Logs why a user gets a 401 in place of the sign-in page.
fn warn(app: &App, why: &NoRedirect) {
    static NOT_BEFORE: AtomicI64 = AtomicI64::new(i64::MIN);
    let now = app.clock.now_secs();
    let due = NOT_BEFORE.load(Ordering::Relaxed);
    let next = now + WARNING_INTERVAL_SECS;
    let order = Ordering::Relaxed;
    if now < due || NOT_BEFORE.compare_exchange(due, next, order, order).is_err() {
        return;
    }
    match why {
        NoRedirect::UnknownUrl => log::warn!(
            "no redirect to the sign-in page: the proxy must set X-Forwarded-Proto, \
             X-Forwarded-Host and X-Forwarded-Uri, each once"
        ),
        NoRedirect::OutOfReach(origin) => log::warn!(
            "no redirect from {origin} to the sign-in page: the cookie of a session reaches only \
             the scheme and the host of ISSUER"
        ),
        NoRedirect::Untrusted(origin) => log::warn!(
            "no redirect from {origin} to the sign-in page: add the origin to BROWSER_ORIGINS if \
             the service is yours"
        ),
    }
}
