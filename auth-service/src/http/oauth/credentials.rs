//! Credentials of a client in the `Authorization` header (RFC 7617).

use std::str;

use actix_web::{HttpRequest, http::header::AUTHORIZATION};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::error::OAuthError;
use crate::domain::client::ClientSecret;

/// Id and secret of a client.
pub struct Credentials {
    pub id: String,
    pub secret: ClientSecret,
}

/// Returns the credentials in the `Authorization` header (RFC 7617). `None` if the request does not
/// have the header.
pub fn credentials_in_header(request: &HttpRequest) -> Option<Result<Credentials, OAuthError>> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let first = headers.next()?;
    let only = Some(first.as_bytes()).filter(|_| headers.next().is_none());
    Some(only.and_then(parse_basic).ok_or(OAuthError::InvalidClient))
}

fn parse_basic(header: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = str::from_utf8(header).ok()?.trim().split_once(' ')?;
    let is_basic = scheme.eq_ignore_ascii_case("Basic");
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| is_basic)?;
    let (id, secret) = str::from_utf8(&decoded).ok()?.split_once(':')?;
    let secret = ClientSecret::from_text(decode_form(secret));
    Some(Credentials { id: decode_form(id), secret })
}

/// Decodes an id or a secret, which a client form-encodes before it joins them. Our ids and secrets
/// contain no character that the encoding must change.
fn decode_form(text: &str) -> String {
    form_urlencoded::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
