//! The request that a proxy asks about, as the headers of its question describe it.
//!
//! A client can forge a header that the proxy does not set. So several values of a header count as
//! none, and both headers that name the method must agree.

use actix_web::{
    HttpRequest,
    http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN},
};

use crate::{
    domain::{sign_in_redirect::ForwardedUrl, trusted_origins::TrustedOrigins},
    http::{accept::accepts_html, cookies},
};

/// Headers in which a proxy names the method of the request that it asks about.
const METHODS: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
const SCHEME: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TARGET: HeaderName = HeaderName::from_static("x-forwarded-uri");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The request that a proxy asks about.
#[derive(Clone, Copy)]
pub struct OriginalRequest<'a> {
    question: &'a HttpRequest,
}

impl<'a> OriginalRequest<'a> {
    /// Returns the request that the question of a proxy is about.
    pub fn of(question: &'a HttpRequest) -> Self {
        Self { question }
    }

    fn methods(self) -> impl Iterator<Item = &'a HeaderValue> {
        METHODS.into_iter().flat_map(move |name| self.question.headers().get_all(name))
    }

    /// Returns whether the request is a CORS preflight (WHATWG Fetch section 3.3.2).
    pub fn is_preflight(self) -> bool {
        let mut methods = self.methods().peekable();
        methods.peek().is_some()
            && methods.all(|method| method == "OPTIONS")
            && self.question.headers().contains_key(ORIGIN)
            && self.question.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Returns whether the request may use a cookie: a page of another site may neither change
    /// something nor open a WebSocket, which states its origin, in the name of the user.
    pub fn is_from_trusted_page(self, origins: &TrustedOrigins) -> bool {
        let stated = cookies::stated_origin(self.question);
        let is_unsafe = self.methods().any(|it| it != "GET" && it != "HEAD" && it != "OPTIONS");
        stated.origin.is_none() && !is_unsafe || origins.allow(stated)
    }

    /// Returns whether a browser opens a page. A browser that does not state the mode
    /// (W3C Fetch Metadata section 2.2) asks for HTML.
    pub fn is_page_view(self) -> bool {
        let mut modes = self.question.headers().get_all(SEC_FETCH_MODE).peekable();
        let opens_page = match modes.peek() {
            Some(_) => modes.all(|mode| mode == "navigate"),
            None => accepts_html(self.question),
        };
        opens_page && self.methods().all(|method| method == "GET" || method == "HEAD")
    }

    /// Returns the URL of the request. `None` if the proxy does not state it.
    pub fn url(self) -> Option<ForwardedUrl<'a>> {
        let scheme = self.only(SCHEME)?;
        let host = self.only(HOST)?;
        Some(ForwardedUrl { scheme, host, target: self.only(TARGET)? })
    }

    /// Returns the value of a header that occurs once.
    fn only(self, name: HeaderName) -> Option<&'a str> {
        let mut values = self.question.headers().get_all(name);
        let value = values.next()?;
        value.to_str().ok().filter(|_| values.next().is_none())
    }
}
