//! The bearer token of a request that need not have one.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, HeaderValue},
};
use shared::extract::bearer_token;

/// The token in the `Authorization` header (RFC 6750 section 2.1), not verified. `None` if there is
/// no such header, or it has another form.
pub struct BearerToken(pub Option<String>);

impl FromRequest for BearerToken {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers().get_all(AUTHORIZATION).map(HeaderValue::as_bytes);
        ready(Ok(Self(bearer_token(headers).ok().map(str::to_owned))))
    }
}
