//! [`PublicKey`]: a key parsed from a JWK (RFC 7517).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk,
    KeyOperations, OctetKeyPairParameters, PublicKeyUse, RSAKeyParameters,
};

use super::Algorithm;

/// Error returned when a JWK is not a usable key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// The JWK has no `kid`, so no token can name it.
    #[error("the key has no kid")]
    NoKeyId,
    /// `use` is not `sig`, or `key_ops` does not include `verify`.
    #[error("the key is not for signatures")]
    NotForSignatures,
    /// The key type or the curve is not accepted, or `alg` is not the algorithm of the key type.
    #[error("the key's algorithm is not EdDSA, ES256 or RS256")]
    Unsupported,
    /// The numbers of the JWK are not a valid public key.
    #[error("the key is not a valid public key")]
    Invalid,
}

/// A public key, parsed once. It verifies signatures of one algorithm.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl PublicKey {
    /// Parses a JWK. Returns the key and its id (`kid`).
    ///
    /// # Errors
    /// [`JwkError`] if the JWK is not a signature key of an accepted algorithm.
    pub fn from_jwk(jwk: &Jwk) -> Result<(String, Self), JwkError> {
        let kid = jwk.common.key_id.clone().ok_or(JwkError::NoKeyId)?;
        if !is_for_signatures(&jwk.common) {
            return Err(JwkError::NotForSignatures);
        }
        let key = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(okp) => Self::ed25519(okp)?,
            AlgorithmParameters::EllipticCurve(ec) => Self::p256(ec)?,
            AlgorithmParameters::RSA(rsa) => Self::rsa(rsa)?,
            _ => return Err(JwkError::Unsupported),
        };
        if let Some(alg) = jwk.common.key_algorithm
            && alg.to_string() != key.algorithm.name()
        {
            return Err(JwkError::Unsupported);
        }
        Ok((kid, key))
    }

    /// Parses an Ed25519 key (RFC 8037 section 2).
    fn ed25519(parameters: &OctetKeyPairParameters) -> Result<Self, JwkError> {
        if parameters.curve != EllipticCurve::Ed25519 {
            return Err(JwkError::Unsupported);
        }
        let x = decode(&parameters.x)?;
        if is_low_order(&x) {
            return Err(JwkError::Invalid);
        }
        let key = ParsedPublicKey::new(&ED25519, x).map_err(|_| JwkError::Invalid)?;
        Ok(Self { algorithm: Algorithm::EdDSA, key })
    }

    /// Parses a P-256 key (RFC 7518 section 6.2.1).
    fn p256(parameters: &EllipticCurveKeyParameters) -> Result<Self, JwkError> {
        if parameters.curve != EllipticCurve::P256 {
            return Err(JwkError::Unsupported);
        }
        let x = decode(&parameters.x)?;
        let y = decode(&parameters.y)?;
        if x.len() != y.len() {
            return Err(JwkError::Invalid);
        }
        // An uncompressed point (SEC 1 section 2.3.3). The library checks its length.
        let point = [&[4], &*x, &*y].concat();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        Ok(Self { algorithm: Algorithm::ES256, key: key.map_err(|_| JwkError::Invalid)? })
    }

    /// Parses an RSA key (RFC 7518 sections 3.3 and 6.3.1).
    fn rsa(parameters: &RSAKeyParameters) -> Result<Self, JwkError> {
        let n = decode(&parameters.n)?;
        let e = decode(&parameters.e)?;
        if is_weak_rsa(&n, &e) {
            return Err(JwkError::Invalid);
        }
        let components = RsaPublicKeyComponents { n: &n, e: &e };
        let key = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
        Ok(Self { algorithm: Algorithm::RS256, key: key.map_err(|_| JwkError::Invalid)? })
    }

    /// Returns `true` if `signature` is this key's signature of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

fn is_for_signatures(common: &CommonParameters) -> bool {
    let operations = common.key_operations.as_ref();
    matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

fn decode(number: &str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD.decode(number).map_err(|_| JwkError::Invalid)
}

/// Returns `true` if the modulus `n` has less than 2048 bits (RFC 7518 section 3.3) or is even, or if
/// the exponent `e` is even or 1. The library accepts some of these keys, and refuses their
/// signatures later: a token would then seem to be forged, where its key is at fault.
fn is_weak_rsa(n: &[u8], e: &[u8]) -> bool {
    let is_even = |number: &[u8]| number.last().is_none_or(|last| last % 2 == 0);
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    bits < 2048 || is_even(n) || is_even(e) || e == [1]
}

/// Returns `true` if an Ed25519 key is one of the eight points of low order, in any encoding, or is
/// not encoded as RFC 8032 section 5.1.2 requires. Signatures for a point of low order can be made
/// without a private key, and the library accepts these keys.
fn is_low_order(key: &[u8]) -> bool {
    const P_MINUS_1: (u128, u128) = (u128::MAX >> 1, u128::MAX - 19);
    const ORDER_8: [(u128, u128); 2] = [
        (0x05fc536d880238b13933c6d305acdfd5, 0xf098eff289f4c345b027b2c28f95e826),
        (0x7a03ac9277fdc74ec6cc392cfa53202a, 0x0f67100d760b3cba4fd84d3d706a17c7),
    ];
    let (&[low, high], []) = key.as_chunks() else { return false };
    // The y coordinate without the highest bit, which is the sign of x: both signs are weak.
    let y = (u128::from_le_bytes(high) & P_MINUS_1.0, u128::from_le_bytes(low));
    y <= (0, 1) || y >= P_MINUS_1 || ORDER_8.contains(&y)
}
