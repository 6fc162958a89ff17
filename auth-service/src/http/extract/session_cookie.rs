//! The session that the browser of a user keeps in a cookie.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::AUTHORIZATION, web::Data};

use crate::{
    app::App,
    http::{cookies, error::ApiError},
    tokens::Credential,
};

/// The cookie of a session, not verified.
pub struct PresentedCookie {
    value: String,
    is_from_trusted_page: bool,
}

impl PresentedCookie {
    /// Reads the cookie of a request.
    pub fn of(request: &HttpRequest, app: &App) -> Option<Self> {
        let value = cookies::value_of(request, app.cookies.as_ref()?.session_name)?;
        Some(Self {
            value: value.to_owned(),
            is_from_trusted_page: request.method().is_safe()
                || cookies::is_from_trusted_page(request, app),
        })
    }

    /// Returns the cookie if the request may use it: a request that changes something must come
    /// from a page of the issuer or of BROWSER_ORIGINS (RFC 9700 section 4.7, the IETF's best
    /// current practice for browser-based apps).
    ///
    /// # Errors
    /// [`ApiError::ForeignOrigin`].
    pub fn value(&self) -> Result<&str, ApiError> {
        if self.is_from_trusted_page { Ok(&self.value) } else { Err(ApiError::ForeignOrigin) }
    }
}

/// The cookie of a session, if the request has one and no `Authorization` header.
pub struct MaybeCookie(pub Option<PresentedCookie>);

impl MaybeCookie {
    /// Reads the cookie of a request.
    pub fn of(request: &HttpRequest, app: &App) -> Self {
        match Credential::of(request) {
            Credential::RefreshToken => Self(None),
            Credential::Cookie => Self(PresentedCookie::of(request, app)),
        }
    }
}

impl FromRequest for MaybeCookie {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal);
        ready(app.map(|app| Self::of(request, app)))
    }
}

impl Credential {
    /// Returns what the client of a request keeps: a request without an `Authorization` header is
    /// authenticated by a cookie, if at all.
    pub fn of(request: &HttpRequest) -> Self {
        if request.headers().contains_key(AUTHORIZATION) {
            Self::RefreshToken
        } else {
            Self::Cookie
        }
    }
}

impl FromRequest for Credential {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
