//! The language of a request.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::ACCEPT_LANGUAGE};

use crate::domain::language::Language;

/// The language that the client prefers, among those with texts.
pub struct AcceptedLanguage(pub Language);

impl FromRequest for AcceptedLanguage {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(ACCEPT_LANGUAGE);
        let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
        ready(Ok(Self(Language::from_accept_language(header))))
    }
}
