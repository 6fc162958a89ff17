//! What a token looks like (RFC 7515 section 7.1): header, claims and proof, each encoded, with dots between them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// What a token with this header begins with, the dot included.
pub fn start(header: &str) -> String {
    URL_SAFE_NO_PAD.encode(header) + "."
}

/// The token that begins like this and says that, with what `prove` makes of both.
pub fn token<P: AsRef<[u8]>>(start: &str, claims: &[u8], prove: impl FnOnce(&[u8]) -> P) -> String {
    let mut token = start.to_owned();
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let proof = prove(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(proof, &mut token);
    token
}
