//! The key that signs access tokens, parsed once and kept: parsing it at every signature would double the cost.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    ThumbprintHash,
};
use shared::keys::Algorithm;

enum Pair {
    EdDSA(Ed25519KeyPair),
    ES256(EcdsaKeyPair),
    RS256(Box<RsaKeyPair>),
}

/// A key that signs access tokens.
pub struct SigningKey {
    pair: Pair,
    kid: String,
}

impl SigningKey {
    /// A new key's private part (PKCS#8).
    pub fn generate(algorithm: Algorithm) -> Vec<u8> {
        let pkcs8 = match algorithm {
            Algorithm::EdDSA => Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1().map(to_vec)),
            Algorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|key| key.to_pkcs8v1().map(to_vec)),
            Algorithm::RS256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|key| key.as_der().map(|der| to_vec(der.as_ref()))),
        };
        pkcs8.expect("a working random source")
    }

    /// Reads a private key (PKCS#8, DER). `None` if it is not a private key of this algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let pair = match algorithm {
            Algorithm::EdDSA => Pair::EdDSA(Ed25519KeyPair::from_pkcs8(der).ok()?),
            Algorithm::ES256 => {
                Pair::ES256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?)
            }
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(der).ok()?;
                // RFC 7518 section 3.3.
                (pair.public_modulus_len() >= 256).then(|| Pair::RS256(Box::new(pair)))?
            }
        };
        let mut key = Self { pair, kid: String::new() };
        key.kid = key.jwk().thumbprint(ThumbprintHash::SHA256).ok()?;
        Some(key)
    }

    /// The key's id: its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The signature, as a JWS has it (RFC 7515, RFC 8037, RFC 7518 sections 3.3 and 3.4).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::EdDSA(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::ES256(pair) => {
                pair.sign(&random, message).expect("a working random source").as_ref().to_vec()
            }
            Pair::RS256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("room for the signature");
                signature
            }
        }
    }

    /// The public key, as services fetch it.
    pub fn jwk(&self) -> Jwk {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (key_algorithm, algorithm) = match &self.pair {
            Pair::EdDSA(pair) => (
                KeyAlgorithm::EdDSA,
                AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                    key_type: OctetKeyPairType::OctetKeyPair,
                    curve: EllipticCurve::Ed25519,
                    x: text(pair.public_key().as_ref()),
                }),
            ),
            Pair::ES256(pair) => {
                // An uncompressed point: 4, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                (
                    KeyAlgorithm::ES256,
                    AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                        key_type: EllipticCurveKeyType::EC,
                        curve: EllipticCurve::P256,
                        x: text(x),
                        y: text(y),
                    }),
                )
            }
            Pair::RS256(pair) => {
                let public: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
                (
                    KeyAlgorithm::RS256,
                    AlgorithmParameters::RSA(RSAKeyParameters {
                        key_type: RSAKeyType::RSA,
                        n: text(&public.n),
                        e: text(&public.e),
                    }),
                )
            }
        };
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(key_algorithm),
            key_id: Some(self.kid.clone()),
            ..CommonParameters::default()
        };
        Jwk { common, algorithm }
    }
}

fn to_vec(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    bytes.as_ref().to_vec()
}
