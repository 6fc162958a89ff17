//! A key that signs access tokens: parsed once and kept, because parsing it for each signature
//! would double the cost of signing.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, RSA_PKCS1_SHA256 as RS256},
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    self, AlgorithmParameters, CommonParameters, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash,
};
use pem::{EncodeConfig, LineEnding, Pem};
use shared::keys::Algorithm;

/// Minimum size of an RSA modulus in bytes: 2048 bits (RFC 7518 section 3.3).
const MIN_RSA_BYTES: usize = 256;

enum Pair {
    EdDSA(Ed25519KeyPair),
    ES256(EcdsaKeyPair),
    RS256(Box<RsaKeyPair>),
}

/// A key that signs access tokens.
pub struct SigningKey {
    pair: Pair,
    kid: String,
    jwk: Jwk,
}

impl SigningKey {
    /// Generates a private key, and returns it as PKCS#8 in DER.
    pub fn generate(algorithm: Algorithm) -> Vec<u8> {
        let pkcs8 = match algorithm {
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate();
                pair.and_then(|pair| pair.to_pkcs8v1().map(to_vec))
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ES256);
                pair.and_then(|pair| pair.to_pkcs8v1().map(to_vec))
            }
            Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048);
                pair.and_then(|pair| pair.as_der().map(|der| to_vec(der.as_ref())))
            }
        };
        pkcs8.expect("a working random source")
    }

    /// Parses a private key (PKCS#8 in DER). `None` if it is not a private key for `algorithm`.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let pair = match algorithm {
            Algorithm::EdDSA => Pair::EdDSA(Ed25519KeyPair::from_pkcs8(der).ok()?),
            Algorithm::ES256 => Pair::ES256(EcdsaKeyPair::from_pkcs8(&ES256, der).ok()?),
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(der).ok()?;
                let is_long_enough = pair.public_modulus_len() >= MIN_RSA_BYTES;
                is_long_enough.then(|| Pair::RS256(Box::new(pair)))?
            }
        };
        let mut jwk = pair.jwk();
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(kid.clone());
        Some(Self { pair, kid, jwk })
    }

    /// Returns the algorithm of a private key (PKCS#8 in DER). `None` if no algorithm accepts it.
    pub fn algorithm_of(der: &[u8]) -> Option<Algorithm> {
        let is_accepted = |algorithm: &Algorithm| Self::from_pkcs8(*algorithm, der).is_some();
        Algorithm::ALL.into_iter().find(is_accepted)
    }

    /// Returns the key's id, which is its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the public key in the form that clients fetch.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Returns the public key in PEM (SubjectPublicKeyInfo, RFC 7468 section 13).
    pub fn public_pem(&self) -> String {
        let der: Result<PublicKeyX509Der<'_>, Unspecified> = match &self.pair {
            Pair::EdDSA(pair) => pair.public_key().as_der(),
            Pair::ES256(pair) => pair.public_key().as_der(),
            Pair::RS256(pair) => pair.public_key().as_der(),
        };
        let der = der.expect("the public key of a parsed key pair");
        let pem = Pem::new("PUBLIC KEY", der.as_ref());
        pem::encode_config(&pem, EncodeConfig::new().set_line_ending(LineEnding::LF))
    }

    /// Signs `message`, and returns the signature in the form of a JWS (RFC 8037 section 3.1, RFC
    /// 7518 sections 3.3 and 3.4).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::EdDSA(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::ES256(pair) => {
                let signature = pair.sign(&random, message).expect("a working random source");
                signature.as_ref().to_vec()
            }
            Pair::RS256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RS256, &random, message, &mut signature);
                signed.expect("a buffer of the modulus' length");
                signature
            }
        }
    }
}

impl Pair {
    /// Returns the public key, without a key id.
    fn jwk(&self) -> Jwk {
        let key_algorithm = match self {
            Self::EdDSA(_) => KeyAlgorithm::EdDSA,
            Self::ES256(_) => KeyAlgorithm::ES256,
            Self::RS256(_) => KeyAlgorithm::RS256,
        };
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(key_algorithm),
            ..CommonParameters::default()
        };
        Jwk { common, algorithm: self.jwk_parameters() }
    }

    fn jwk_parameters(&self) -> AlgorithmParameters {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::EdDSA(pair) => AlgorithmParameters::OctetKeyPair(jwk::OctetKeyPairParameters {
                key_type: jwk::OctetKeyPairType::OctetKeyPair,
                curve: jwk::EllipticCurve::Ed25519,
                x: encode(pair.public_key().as_ref()),
            }),
            Self::ES256(pair) => {
                // An uncompressed point: the byte 4, then x, then y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                AlgorithmParameters::EllipticCurve(jwk::EllipticCurveKeyParameters {
                    key_type: jwk::EllipticCurveKeyType::EC,
                    curve: jwk::EllipticCurve::P256,
                    x: encode(x),
                    y: encode(y),
                })
            }
            Self::RS256(pair) => {
                let public: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
                AlgorithmParameters::RSA(jwk::RSAKeyParameters {
                    key_type: jwk::RSAKeyType::RSA,
                    n: encode(&public.n),
                    e: encode(&public.e),
                })
            }
        }
    }
}

fn to_vec(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    bytes.as_ref().to_vec()
}
