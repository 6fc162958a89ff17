//! Compact JWS: the three parts of a token and their encoding (RFC 7515).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    VerifyError,
    keys::{Algorithm, PublicKey},
};

/// The parts of a compact JWS (RFC 7515 section 3.1), still encoded.
pub(super) struct Jws<'a> {
    signing_input: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, VerifyError> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(VerifyError::Malformed)?;
        Ok(Self { signing_input, header, payload, signature })
    }

    pub(super) fn decode_header(&self) -> Result<Vec<u8>, VerifyError> {
        decode(self.header)
    }

    pub(super) fn decode_payload(&self) -> Result<Vec<u8>, VerifyError> {
        decode(self.payload)
    }

    /// Checks the signature. The algorithm is the key's own, and the header's must be the same
    /// (RFC 8725 section 3.1).
    pub(super) fn check_signature(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
    ) -> Result<(), VerifyError> {
        if key.algorithm != algorithm {
            return Err(VerifyError::Algorithm);
        }
        let signature = decode(self.signature)?;
        if !key.verifies(self.signing_input.as_bytes(), &signature) {
            return Err(VerifyError::Signature);
        }
        Ok(())
    }
}

/// Decodes base64url. Padding and stray bits are errors, so that a token has one encoding.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed)
}

/// Parses a JSON object in UTF-8. serde alone would accept an array of the members' values, and
/// invalid UTF-8 in members that the type ignores.
pub(super) fn parse_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, VerifyError> {
    let text = std::str::from_utf8(json).map_err(|_| VerifyError::Malformed)?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(VerifyError::Malformed);
    }
    serde_json::from_str(text).map_err(|_| VerifyError::Malformed)
}
