//! The bytes of a request body, and the fields of a form in them. Bodies hold passwords and secrets
//! of clients, so each buffer is overwritten when it is dropped.

use std::time::Duration;

use actix_web::{
    HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use futures_util::StreamExt;
use zeroize::Zeroizing;

use crate::http::error::ApiError;

/// Maximum size of a body.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum time that a body may take to arrive.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Media type of a JSON body.
pub const JSON: &str = "application/json";
/// Media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Name and value of a field of a form.
pub type Field = (String, Zeroizing<String>);

/// Reads a body of one of these media types. Returns the media type too. `None`: the request has no
/// body, and needs no media type.
///
/// # Errors
/// [`ApiError::MediaType`], [`ApiError::TooLarge`], [`ApiError::TooSlow`], or
/// [`ApiError::Incomplete`].
pub async fn read_body(
    request: &HttpRequest,
    payload: Payload,
    accepted: &'static [&'static str],
) -> Result<Option<(&'static str, Zeroizing<Vec<u8>>)>, ApiError> {
    if !has_body(request) {
        return Ok(None);
    }
    let media_type = body_type(request, accepted)?;
    let body = read(request, payload).await?;
    Ok((!body.is_empty()).then_some((media_type, body)))
}

/// Reads the fields of a body that must be a form.
///
/// # Errors
/// As [`read_body`], and [`ApiError::NotForm`]. A request without a body has the wrong media type.
pub async fn read_fields(request: &HttpRequest, payload: Payload) -> Result<Vec<Field>, ApiError> {
    body_type(request, &[FORM])?;
    decode_fields(&read(request, payload).await?)
}

/// Decodes the fields of a form, in their order, as the URL Standard says: `+` is a space, and a
/// `%` without two hexadecimal digits stands for itself.
///
/// # Errors
/// [`ApiError::NotForm`], if a name or a value is not UTF-8.
pub fn decode_fields(body: &[u8]) -> Result<Vec<Field>, ApiError> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let separator = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(separator);
            let name = std::mem::take(&mut *decode(name)?);
            Ok((name, decode(value.get(1..).unwrap_or_default())?))
        })
        .collect()
}

fn decode(encoded: &[u8]) -> Result<Zeroizing<String>, ApiError> {
    // A buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, after @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (16 * high + low, after),
                _ => (b'%', &rest[1..]),
            },
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    let text = str::from_utf8(&bytes).map_err(|_| ApiError::NotForm)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Returns the announced length of the body.
fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn has_body(request: &HttpRequest) -> bool {
    let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
    is_chunked || content_length(request).is_some_and(|length| length > 0)
}

/// Returns which of the media types the body has.
///
/// # Errors
/// [`ApiError::MediaType`], or [`ApiError::TooLarge`] by the announced length.
fn body_type(
    request: &HttpRequest,
    accepted: &'static [&'static str],
) -> Result<&'static str, ApiError> {
    // The length is checked first, so that a client need not send megabytes to learn the answer.
    if content_length(request).is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(ApiError::TooLarge);
    }
    let encoding = request.headers().get(CONTENT_ENCODING);
    let is_plain = encoding.is_none_or(|encoding| encoding == "identity");
    let sent = request.content_type();
    let matching = accepted.iter().find(|accepted| sent.eq_ignore_ascii_case(accepted));
    matching.filter(|_| is_plain).copied().ok_or(ApiError::MediaType(accepted))
}

async fn read(request: &HttpRequest, payload: Payload) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let announced = content_length(request).and_then(|length| usize::try_from(length).ok());
    let capacity = announced.map_or(MAX_BYTES, |length| length.min(MAX_BYTES));
    let body = collect(payload, capacity);
    tokio::time::timeout(TIME_LIMIT, body).await.map_err(|_| ApiError::TooSlow)?
}

/// Collects a body of at most `capacity` bytes.
async fn collect(mut payload: Payload, capacity: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // A buffer that grows leaves copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::Incomplete)?;
        if body.len() + chunk.len() > capacity {
            return Err(ApiError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(body: &str) -> Vec<(String, String)> {
        let fields = decode_fields(body.as_bytes()).expect("a form");
        fields.into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }

    #[test]
    fn form_is_decoded_as_browsers_encode_it() {
        let long = format!("a={}&b=", "%41".repeat(1000));
        for body in [
            "",
            "&&",
            "a",
            "a=",
            "=",
            "=b",
            "a=b=c",
            "a+b=c%20d%2Bz",
            "p=50%&q=%4&r=%zz&s=%%41",
            "name=Zo%C3%AB&name=Zo\u{eb}",
            "x=%EF%BF%BD",
            &long,
        ] {
            let expected: Vec<(String, String)> =
                form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            assert_eq!(decoded(body), expected, "{body}");
        }
        for wrong in ["a=%ff", "%ff=a", "a=%C3"] {
            assert!(decode_fields(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
