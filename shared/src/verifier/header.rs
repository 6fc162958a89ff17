//! [`Header`]: the header of an access token (RFC 9068 section 2.1).

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::jws::parse_object;
use crate::{VerifyError, claims::ACCESS_TOKEN_TYP, keys::Algorithm};

/// The header parameters that the verifier uses. It ignores `jku`, `jwk`, `x5u` and `x5c`, because
/// keys come from the issuer only.
pub(super) struct Header<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: &'a str,
}

impl<'a> Header<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, VerifyError> {
        #[derive(Deserialize)]
        struct Parameters<'a> {
            alg: &'a str,
            typ: Option<&'a str>,
            kid: Option<&'a str>,
            #[serde(default, deserialize_with = "is_present")]
            crit: bool,
        }
        let header: Parameters = parse_object(json)?;
        let algorithm = header.alg.parse().map_err(|_| VerifyError::Algorithm)?;
        if header.crit {
            return Err(VerifyError::Critical);
        }
        if !header.typ.is_some_and(is_access_token_typ) {
            return Err(VerifyError::WrongType);
        }
        Ok(Self { algorithm, kid: header.kid.ok_or(VerifyError::UnknownKey)? })
    }
}

/// Deserializes a member of any value, also `null`, to `true`.
fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Returns `true` for `at+jwt` and `application/at+jwt` (RFC 7515 section 4.1.9), in any case.
fn is_access_token_typ(typ: &str) -> bool {
    let subtype = match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => &typ[12..],
        _ => typ,
    };
    subtype.eq_ignore_ascii_case(ACCESS_TOKEN_TYP)
}
