//! Forged access tokens. Each has one fault, and a valid signature of the issuer where possible, so
//! that the verifier refuses the token because of this fault.
//!
//! | module | faults in |
//! |---|---|
//! | `encoding` | parts, base64url, JSON, size |
//! | `header` | algorithm, key id, extensions, type |
//! | `signature` | the signature |
//! | `claims` | the claims |

mod claims;
mod encoding;
mod header;
mod signature;

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaEncoding,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::{Verifier, VerifyError, clock::Clock, keys::JwkSet};

const ISSUER: &str = "http://issuer.test";

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A private key that signs tokens.
struct Signer {
    alg: &'static str,
    kid: String,
    pair: Pair,
}

/// Keys of the issuer, one for each algorithm.
static ISSUER_KEYS: LazyLock<[Signer; 3]> = LazyLock::new(|| Signer::one_of_each("issuer"));

/// Keys of an attacker, one for each algorithm. The verifier does not know them.
static ATTACKER_KEYS: LazyLock<[Signer; 3]> = LazyLock::new(|| Signer::one_of_each("attacker"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier("api"));

fn verifier(audience: &str) -> Verifier {
    let keys =
        ISSUER_KEYS.iter().map(|signer| serde_json::from_value(signer.jwk()).unwrap()).collect();
    Verifier::builder(ISSUER).audience(audience).build_with_keys(&JwkSet { keys })
}

/// Returns the result of verifying a token. Verifies it twice, because the cache must not change
/// the result.
fn verify(token: &str) -> Result<(), VerifyError> {
    let result = VERIFIER.verify_with_known_keys(token).map(drop);
    assert_eq!(VERIFIER.verify_with_known_keys(token).map(drop), result);
    if let Err(error) = result {
        assert_eq!(error.status(), 401);
    }
    result
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> i64 {
    Clock::system().now_secs()
}

/// Returns the claims of a valid token.
fn claims() -> Value {
    let id = "01a20970-f552-76e1-be5b-197ec9e2780c";
    json!({
        "iss": ISSUER, "sub": id, "aud": "api", "exp": now() + 300, "iat": now(), "jti": id,
        "sid": id, "scope": "", "token_type": "access",
    })
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[name] = value;
    object
}

fn without(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(name);
    object
}

/// Returns an object as JSON text with one more member before the others. The text may repeat a
/// member, which [`Value`] cannot.
fn prepend_member(object: &Value, member: &str) -> String {
    format!("{{{member},{}", &object.to_string()[1..])
}

/// Returns an object as JSON text with one more member after the others.
fn append_member(object: &Value, member: &str) -> String {
    let text = object.to_string();
    format!("{},{member}}}", &text[..text.len() - 1])
}

impl Signer {
    fn one_of_each(owner: &str) -> [Self; 3] {
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        [
            ("EdDSA", Pair::Ed25519(Ed25519KeyPair::generate().unwrap())),
            ("ES256", Pair::P256(p256)),
            ("RS256", Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        ]
        .map(|(alg, pair)| Self { alg, kid: format!("{owner} {alg}"), pair })
    }

    fn jwk(&self) -> Value {
        let numbers = match &self.pair {
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key())})
            }
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
            }
            Pair::Rsa(pair) => {
                let n = base64(pair.public_key().modulus().big_endian_without_leading_zero());
                let e = base64(pair.public_key().exponent().big_endian_without_leading_zero());
                json!({"kty": "RSA", "n": n, "e": e})
            }
        };
        with(&with(&numbers, "kid", json!(self.kid)), "alg", json!(self.alg))
    }

    fn sign(&self, input: impl AsRef<[u8]>) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(input.as_ref()).as_ref().into(),
            Pair::P256(pair) => {
                pair.sign(&SystemRandom::new(), input.as_ref()).unwrap().as_ref().into()
            }
            Pair::Rsa(_) => self.sign_rsa(&RSA_PKCS1_SHA256, input),
        }
    }

    fn sign_rsa(&self, encoding: &'static dyn RsaEncoding, input: impl AsRef<[u8]>) -> Vec<u8> {
        let Pair::Rsa(pair) = &self.pair else { panic!("not an RSA key") };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), input.as_ref(), &mut signature).unwrap();
        signature
    }

    /// Returns the header of a valid token.
    fn header(&self) -> Value {
        json!({"alg": self.alg, "typ": "at+jwt", "kid": self.kid})
    }

    /// Appends the signature of `input` to it.
    fn signed(&self, input: &str) -> String {
        format!("{input}.{}", base64(self.sign(input)))
    }

    /// Returns a signed token with this header and these claims, which need not be valid.
    fn token(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&format!("{}.{}", base64(header), base64(claims)))
    }

    fn with_header(&self, header: &Value) -> String {
        self.token(header.to_string(), claims().to_string())
    }

    /// Returns a signed token with one header parameter set.
    fn with_parameter(&self, name: &str, value: Value) -> String {
        self.with_header(&with(&self.header(), name, value))
    }

    fn with_claims(&self, claims: &Value) -> String {
        self.token(self.header().to_string(), claims.to_string())
    }

    fn valid_token(&self) -> String {
        self.with_claims(&claims())
    }
}

#[test]
fn a_valid_token_of_a_known_key_is_accepted() {
    for signer in &*ISSUER_KEYS {
        assert_eq!(verify(&signer.valid_token()), Ok(()), "{}", signer.alg);
    }
    for signer in &*ATTACKER_KEYS {
        assert_eq!(verify(&signer.valid_token()), Err(VerifyError::UnknownKey), "{}", signer.alg);
    }
}
