//! The compact serialisation of a JWS (RFC 7515 section 7.1): header, payload and signature, each
//! in base64url, joined by dots.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Returns the encoded `header` and the dot after it, with which every token of that header starts.
pub fn encode_header(header: &str) -> String {
    URL_SAFE_NO_PAD.encode(header) + "."
}

/// Returns the token that consists of an encoded header, `payload`, and the signature or MAC that
/// `sign` computes over both.
pub fn serialize<S: AsRef<[u8]>>(
    encoded_header: &str,
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> S,
) -> String {
    let mut token = encoded_header.to_owned();
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}
