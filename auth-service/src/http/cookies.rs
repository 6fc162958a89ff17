//! Cookies: read from requests, and set or removed by answers.

use actix_web::{
    HttpRequest,
    http::header::{COOKIE, HeaderName, HeaderValue, ORIGIN, SET_COOKIE},
};
use service_kit::answer_headers;

use crate::{
    accounts::LoggedIn,
    app::App,
    domain::{session::Origin, trusted_origins::StatedOrigin},
    http::error::ApiError,
    tokens::{Credential, SessionCookie},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Returns the value of a cookie (RFC 6265bis section 5.8.3). `None` if the request has it several
/// times: one of them may be from another host of the same domain.
pub fn value_of<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let headers = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    let pairs = headers.flat_map(|header| header.split(|byte| *byte == b';'));
    // Other cookies of the host may have values in any encoding.
    let mut values = pairs
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    let value = str::from_utf8(values.next()?).ok()?;
    values.next().is_none().then_some(value)
}

/// Returns the cookies of a request that hold an earlier login, not verified.
pub fn earlier_logins(request: &HttpRequest, app: &App) -> Vec<String> {
    let names = app.cookies.iter().flat_map(|it| [it.session_name, it.device_name]);
    names.filter_map(|name| value_of(request, name)).map(str::to_owned).collect()
}

/// Checks that browsers can keep sessions of the issuer.
///
/// # Errors
/// [`ApiError::NoCookies`].
pub fn require_policy(app: &App) -> Result<(), ApiError> {
    app.cookies.as_ref().map(drop).ok_or(ApiError::NoCookies)
}

/// Returns whether a page of the issuer or of BROWSER_ORIGINS sent a request.
pub fn is_from_trusted_page(request: &HttpRequest, app: &App) -> bool {
    app.origins.allow(stated_origin(request))
}

/// Returns whether a page of the issuer, such as the sign-in page, sent a request.
pub fn is_from_own_page(request: &HttpRequest, app: &App) -> bool {
    app.origins.allow_own(stated_origin(request))
}

/// Returns where a request comes from, as the browser states it.
pub fn stated_origin(request: &HttpRequest) -> StatedOrigin<'_> {
    let only = |name: &HeaderName| {
        let mut values = request.headers().get_all(name);
        let value = values.next()?;
        // Several values, or other bytes, are the value of no origin.
        let is_only = values.next().is_none();
        Some(value.to_str().ok().filter(|_| is_only).unwrap_or_default())
    };
    StatedOrigin { origin: only(&ORIGIN), fetch_site: only(&SEC_FETCH_SITE) }
}

/// Sets the cookies of a user who has just logged in. The session of the cookie that they replace
/// ends: nothing holds it any more.
pub async fn set_logged_in(request: &HttpRequest, app: &App, origin: Origin, logged_in: &LoggedIn) {
    let Some(cookie) = &logged_in.tokens.cookie else { return };
    let policy = app.cookies.as_ref();
    let replaced = policy.and_then(|policy| value_of(request, policy.session_name));
    if let Some(replaced) = replaced
        && let Err(why) = app.sessions.log_out_by_cookie(replaced, origin).await
    {
        log::debug!("the session of a replaced cookie has not ended: {why}");
    }
    set(request, app, cookie, logged_in.device_cookie.as_deref());
}

/// Sets the cookie of a session, and that of the device if the user has just logged in.
pub fn set(request: &HttpRequest, app: &App, session: &SessionCookie, device: Option<&str>) {
    let Some(policy) = &app.cookies else { return };
    add(request, policy.set_session(&session.value, session.max_age_secs));
    if let Some(device) = device {
        add(request, policy.set_device(device));
    }
}

fn add(request: &HttpRequest, cookie: String) {
    let value = HeaderValue::try_from(cookie).expect("cookies have no control characters");
    answer_headers::add(request, SET_COOKIE, value);
}

/// Removes the cookie of a session that has ended, and what the browser keeps of its pages (W3C
/// Clear Site Data). The value `cookies` is left out: it would remove the cookies of all hosts of
/// the domain, and the one by which the device is known.
pub fn end(request: &HttpRequest, app: &App, credential: Credential) {
    let (Credential::Cookie, Some(policy)) = (credential, &app.cookies) else { return };
    // The request may have renewed the cookie before it ended the session.
    answer_headers::remove(request, &SET_COOKIE);
    add(request, policy.remove_session());
    let cleared = HeaderValue::from_static("\"cache\", \"storage\"");
    answer_headers::add(request, CLEAR_SITE_DATA, cleared);
}
