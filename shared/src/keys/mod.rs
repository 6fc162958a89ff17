//! The issuer's public keys (RFC 7517): parsed once and kept. `remote` fetches them.

mod remote;

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, KeyOperations, PublicKeyUse};
pub use jsonwebtoken::jwk::{Jwk, JwkSet};

use crate::VerifyError;
pub(crate) use remote::{RemoteKeys, Source};

/// Where a verifier that was given its keys looks when a token names one that is not among them.
pub trait KeySource: Send + Sync {
    /// Reads the keys anew, and gives them to the verifier ([`crate::Verifier::set_keys`]), unless that was done a moment
    /// ago.
    ///
    /// # Errors
    /// [`VerifyError::KeysUnavailable`], if they cannot be read.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), VerifyError>> + Send + '_>>;
}

/// The algorithms that are accepted, and no others: each is asymmetric, so that who can verify cannot mint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    EdDSA,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    ES256,
    /// RSA PKCS#1 v1.5 with SHA-256 (RFC 7518 section 3.3).
    RS256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EdDSA, Self::ES256, Self::RS256];

    /// Its name in a header or a JWK.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or("must be EdDSA, ES256 or RS256")
    }
}

/// Why a JWK cannot be used here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Without `kid` no token can name it.
    #[error("it has no kid")]
    NoKeyId,
    /// `use` is not `sig`, or `key_ops` are without `verify`.
    #[error("it is not for signatures")]
    NotForSignatures,
    /// Another key type or curve, or an `alg` that is not the key type's.
    #[error("its algorithm is not among EdDSA, ES256 and RS256")]
    Unsupported,
    /// The key's numbers are not a key.
    #[error("it is not a valid public key")]
    Invalid,
}

/// A public key, parsed once.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// The one algorithm it is for.
    pub algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl PublicKey {
    /// The key in a JWK, with its id.
    ///
    /// # Errors
    /// [`JwkError`], if the JWK is not a signature key of an accepted algorithm.
    pub fn from_jwk(jwk: &Jwk) -> Result<(String, Self), JwkError> {
        let kid = jwk.common.key_id.clone().ok_or(JwkError::NoKeyId)?;
        let operations = &jwk.common.key_operations;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature))
            || operations.as_ref().is_some_and(|named| !named.contains(&KeyOperations::Verify))
        {
            return Err(JwkError::NotForSignatures);
        }
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| JwkError::Invalid);
        let (algorithm, key) = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
                let x = decode(&okp.x)?;
                if is_low_order(&x) {
                    return Err(JwkError::Invalid);
                }
                (Algorithm::EdDSA, ParsedPublicKey::new(&ED25519, x))
            }
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
                // An uncompressed point (SEC 1 section 2.3.3), of which each coordinate fills its half.
                let (x, y) = (decode(&ec.x)?, decode(&ec.y)?);
                if x.len() != y.len() {
                    return Err(JwkError::Invalid);
                }
                let point = [&[4], &*x, &*y].concat();
                (Algorithm::ES256, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point))
            }
            AlgorithmParameters::RSA(rsa) => {
                let (n, e) = (decode(&rsa.n)?, decode(&rsa.e)?);
                let components = RsaPublicKeyComponents { n: &n, e: &e };
                (Algorithm::RS256, components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256))
            }
            _ => return Err(JwkError::Unsupported),
        };
        if let Some(named) = jwk.common.key_algorithm
            && named.to_string() != algorithm.name()
        {
            return Err(JwkError::Unsupported);
        }
        let key = key.map_err(|_| JwkError::Invalid)?;
        Ok((kid, Self { algorithm, key }))
    }

    /// Whether `signature` belongs to `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

/// Whether an Ed25519 key is one of the eight points for which anybody can sign, in any of their spellings, or is not
/// spelled as RFC 8032 section 5.1.2 has it. The library verifies with them all.
fn is_low_order(key: &[u8]) -> bool {
    const P_MINUS_1: (u128, u128) = (u128::MAX >> 1, u128::MAX - 19);
    const ORDER_8: [(u128, u128); 2] = [
        (0x05fc536d880238b13933c6d305acdfd5, 0xf098eff289f4c345b027b2c28f95e826),
        (0x7a03ac9277fdc74ec6cc392cfa53202a, 0x0f67100d760b3cba4fd84d3d706a17c7),
    ];
    let (&[low, high], []) = key.as_chunks() else { return false };
    // The y coordinate: the highest bit is the sign of x, which makes no difference here.
    let y = (u128::from_le_bytes(high) & P_MINUS_1.0, u128::from_le_bytes(low));
    y <= (0, 1) || y >= P_MINUS_1 || ORDER_8.contains(&y)
}

/// An issuer's keys by id.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, PublicKey>,
    /// No other set of this process has the same, but for none, which has no keys.
    number: u64,
}

impl KeySet {
    /// The keys of a JWKS that can be used here. The others are passed over (RFC 7517 section 5).
    pub fn from_jwks(jwks: &JwkSet) -> Self {
        let usable = jwks.keys.iter().filter_map(|jwk| {
            PublicKey::from_jwk(jwk)
                .inspect_err(|why| log::debug!("passing over a key of the JWKS: {why}"))
                .ok()
        });
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self { keys: usable.collect(), number: NUMBERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// What tells this set from every other in this process, for who would remember it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The key of this id.
    pub fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.get(kid)
    }

    /// Whether these are the same keys: their ids name their content.
    pub fn has_the_ids_of(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len() && self.keys.keys().all(|kid| other.keys.contains_key(kid))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
