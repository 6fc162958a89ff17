//! Forged access tokens. Each is right in every respect but one, and signed with the true key where that helps it, so
//! that it is refused for its own fault.

mod claims;
mod encoding;
mod header;
mod signature;

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaEncoding,
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

/// A key that signs tokens.
struct Signer {
    alg: &'static str,
    kid: String,
    pair: Pair,
}

/// The issuer's keys, one of each algorithm.
static OURS: LazyLock<[Signer; 3]> = LazyLock::new(|| Signer::one_of_each("ours"));

/// Somebody else's.
static THEIRS: LazyLock<[Signer; 3]> = LazyLock::new(|| Signer::one_of_each("theirs"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier("api"));

fn verifier(audience: &str) -> Verifier {
    let keys = OURS.iter().map(|signer| serde_json::from_value(signer.jwk()).unwrap()).collect();
    Verifier::builder(ISSUER).audience(audience).build_with_keys(&JwkSet { keys })
}

/// What becomes of a token, which is the same when it comes again.
fn judge(token: &str) -> Result<(), VerifyError> {
    let answer = VERIFIER.verify_with_known_keys(token).map(drop);
    assert_eq!(VERIFIER.verify_with_known_keys(token).map(drop), answer);
    if let Err(why) = answer {
        assert_eq!(why.status(), 401);
    }
    answer
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> i64 {
    Clock::system().now_secs()
}

/// The claims of a good token.
fn claims() -> Value {
    let id = "01a20970-f552-76e1-be5b-197ec9e2780c";
    json!({
        "iss": ISSUER, "sub": id, "aud": "api", "exp": now() + 300, "iat": now(), "jti": id, "sid": id, "scope": "",
        "token_type": "access",
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

/// The same object as text, with one more member in front of the others, whether or not it is there already.
fn with_first(object: &Value, member: &str) -> String {
    format!("{{{member},{}", &object.to_string()[1..])
}

fn with_last(object: &Value, member: &str) -> String {
    let text = object.to_string();
    format!("{},{member}}}", &text[..text.len() - 1])
}

impl Signer {
    fn one_of_each(whose: &str) -> [Self; 3] {
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        [
            ("EdDSA", Pair::Ed25519(Ed25519KeyPair::generate().unwrap())),
            ("ES256", Pair::P256(p256)),
            ("RS256", Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        ]
        .map(|(alg, pair)| Self { alg, kid: format!("{whose} {alg}"), pair })
    }

    fn jwk(&self) -> Value {
        let numbers = match &self.pair {
            Pair::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key())}),
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
            }
            Pair::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let [n, e] = [n, e].map(|number| base64(number.big_endian_without_leading_zero()));
                json!({"kty": "RSA", "n": n, "e": e})
            }
        };
        with(&with(&numbers, "kid", json!(self.kid)), "alg", json!(self.alg))
    }

    fn sign(&self, input: impl AsRef<[u8]>) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(input.as_ref()).as_ref().into(),
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), input.as_ref()).unwrap().as_ref().into(),
            Pair::Rsa(_) => self.sign_rsa(&RSA_PKCS1_SHA256, input),
        }
    }

    fn sign_rsa(&self, encoding: &'static dyn RsaEncoding, input: impl AsRef<[u8]>) -> Vec<u8> {
        let Pair::Rsa(pair) = &self.pair else { panic!("not an RSA key") };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), input.as_ref(), &mut signature).unwrap();
        signature
    }

    /// The header of a good token.
    fn header(&self) -> Value {
        json!({"alg": self.alg, "typ": "at+jwt", "kid": self.kid})
    }

    /// Puts the signature of what comes before it behind it, whatever that is.
    fn signed(&self, input: &str) -> String {
        format!("{input}.{}", base64(self.sign(input)))
    }

    /// A token of this header and these claims, whatever they are.
    fn token(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&format!("{}.{}", base64(header), base64(claims)))
    }

    fn with_header(&self, header: &Value) -> String {
        self.token(header.to_string(), claims().to_string())
    }

    fn with_claims(&self, claims: &Value) -> String {
        self.token(self.header().to_string(), claims.to_string())
    }

    fn good(&self) -> String {
        self.with_claims(&claims())
    }
}

#[test]
fn a_token_without_fault_is_accepted() {
    for signer in &*OURS {
        assert_eq!(judge(&signer.good()), Ok(()), "{}", signer.alg);
    }
    for signer in &*THEIRS {
        assert_eq!(judge(&signer.good()), Err(VerifyError::UnknownKey), "{}", signer.alg);
    }
}
