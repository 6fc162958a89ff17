//! Which web pages may call the service from a browser (CORS, WHATWG Fetch section 3.3).
//!
//! The pages of the origins in BROWSER_ORIGINS may call every route, with credentials. Pages of all
//! origins may read the routes that are made with [`public_resource`](crate::route::public_resource),
//! without credentials.
//!
//! A route answers an `OPTIONS` request itself, with `Allow`. This module adds the headers that
//! browsers read.

use std::{fmt, net::SocketAddr};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
            ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
        },
    },
    middleware::Next,
    web::Data,
};
use clap::Args;

/// Response headers that a page may read, besides those that every page may read.
const EXPOSED: &str = "ETag, Retry-After, WWW-Authenticate, X-Request-Id";

/// Time for which a browser keeps the answer to a preflight, in seconds: the longest that browsers
/// accept.
const MAX_AGE: &str = "7200";

/// Origins of web pages that may call the service.
#[derive(Args, Clone, Debug, Default)]
pub struct CorsSettings {
    /// Origins of web pages that may call the service from a browser, with credentials, such as
    /// `https://app.example.com`. Separated by commas
    #[arg(
        long,
        env = "BROWSER_ORIGINS",
        value_name = "ORIGINS",
        value_delimiter = ',',
        value_parser = BrowserOrigin::parse
    )]
    pub browser_origins: Vec<BrowserOrigin>,
}

/// An origin, in the form in which browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserOrigin(String);

impl BrowserOrigin {
    /// Parses an origin: scheme, host and port, without a path.
    ///
    /// # Errors
    /// If `text` is not what browsers send for a page on HTTP or HTTPS, with the text that they send
    /// instead if `text` is a URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = "must be an origin such as https://app.example.com: http:// or https://, a host, \
            and a port other than the scheme's own";
        let url = reqwest::Url::parse(text).map_err(|_| rule.to_owned())?;
        let sent = url.origin().ascii_serialization();
        if !matches!(url.scheme(), "http" | "https") {
            Err(rule.into())
        } else if sent == text {
            Ok(Self(sent))
        } else {
            Err(format!("{rule}. Browsers send {sent}"))
        }
    }

    /// Returns the origin of the pages of a server at this address, on HTTP.
    pub fn of_server(addr: SocketAddr) -> Self {
        let url = format!("http://{addr}");
        // Browsers omit the scheme's own port.
        Self(url.strip_suffix(":80").unwrap_or(&url).to_owned())
    }

    /// Returns the origin as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BrowserOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds the headers that let a page read the answer. A middleware for
/// `actix_web::middleware::from_fn`.
///
/// The data of the app contains [`CorsSettings`]. Without them no origin is allowed.
///
/// # Errors
/// If the handler fails.
pub async fn allow_browser_origins(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut answer = next.call(request).await?;
    let request = answer.request().clone();
    let settings = request.app_data::<Data<CorsSettings>>();
    let origins = settings.map_or(&[][..], |settings| &settings.browser_origins);
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let headers = answer.headers_mut();
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        // A public resource: the header is the same for all origins.
        expose(headers);
    } else if !origins.is_empty() {
        // Also without an origin, because a cache may keep the answer for a page.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = allowed_origin(request.headers(), origins) else { return Ok(answer) };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        insert(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        expose(headers);
    } else {
        return Ok(answer);
    }
    if is_preflight {
        answer_preflight(request.headers(), headers);
    }
    Ok(answer)
}

/// Returns the request's origin, if it is one of `origins`.
fn allowed_origin<'a>(
    request: &'a HeaderMap,
    origins: &[BrowserOrigin],
) -> Option<&'a HeaderValue> {
    let origin = request.get(ORIGIN)?;
    origins.iter().any(|allowed| origin == allowed.as_str()).then_some(origin)
}

fn expose(headers: &mut HeaderMap) {
    insert(headers, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// Allows the methods of the route, and the request headers that the page names: the page is trusted,
/// or the route is public.
fn answer_preflight(request: &HeaderMap, headers: &mut HeaderMap) {
    if let Some(methods) = headers.get(ALLOW).cloned() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    if let Some(names) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    insert(headers, ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::BrowserOrigin;

    #[test]
    fn origin_is_what_browsers_send() {
        for good in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:5173",
            "https://xn--bcher-kva.example",
        ] {
            assert_eq!(BrowserOrigin::parse(good).unwrap().as_str(), good);
        }
        for (bad, sent) in [
            ("https://app.example.com/", "https://app.example.com"),
            ("https://app.example.com/app", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("https://App.Example.com", "https://app.example.com"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://user@app.example.com", "https://app.example.com"),
            (" https://app.example.com", "https://app.example.com"),
        ] {
            let why = BrowserOrigin::parse(bad).unwrap_err();
            assert!(why.ends_with(&format!("Browsers send {sent}")), "{bad}: {why}");
        }
        for (addr, sent) in [
            ("127.0.0.1:8082", "http://127.0.0.1:8082"),
            ("127.0.0.1:80", "http://127.0.0.1"),
            ("[::1]:80", "http://[::1]"),
        ] {
            let origin = BrowserOrigin::of_server(addr.parse().unwrap());
            assert_eq!(Ok(&origin), BrowserOrigin::parse(sent).as_ref());
        }
        for bad in ["*", "null", "", "app.example.com", "file:///x", "capacitor://localhost"] {
            let why = BrowserOrigin::parse(bad).unwrap_err();
            assert!(why.starts_with("must be an origin such as"), "{bad}: {why}");
        }
    }
}
