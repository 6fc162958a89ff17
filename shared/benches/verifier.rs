//! Cost of verifying a token: the signature check alone, which is the lower limit for a new token;
//! a new token; and a cached token, which must cost less than a twentieth of the signature check.
//! `cargo bench -p shared --features testing`

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use divan::Bencher;
use serde_json::json;
use shared::{
    Verifier,
    keys::{JwkSet, PublicKey},
    testing::TestIssuer,
};

const ALGORITHMS: [&str; 2] = ["EdDSA", "RS256"];

struct Fixture {
    jwks: JwkSet,
    token: String,
}

impl Fixture {
    fn new(algorithm: &str) -> Self {
        let issuer = TestIssuer::new();
        let token = issuer.token().scope("reports:read").role("editor").lifetime_secs(3600).mint();
        match algorithm {
            "EdDSA" => Self { jwks: issuer.jwks(), token },
            _ => Self::rs256(&token),
        }
    }

    fn rs256(claims_of: &str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "test"}).to_string();
        let claims = claims_of.split('.').nth(1).unwrap();
        let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .unwrap();
        let public: PublicKeyComponents<Vec<u8>> = key.public_key().into();
        let n = URL_SAFE_NO_PAD.encode(public.n);
        let e = URL_SAFE_NO_PAD.encode(public.e);
        let jwk = json!({"kty": "RSA", "kid": "test", "alg": "RS256", "n": n, "e": e});
        let jwks = JwkSet { keys: vec![serde_json::from_value(jwk).unwrap()] };
        Self { jwks, token: format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)) }
    }

    fn verifier(&self, cached_tokens: usize) -> Verifier {
        Verifier::builder("http://issuer.test")
            .audience("api")
            .cached_tokens(cached_tokens)
            .build_with_keys(&self.jwks)
    }
}

#[divan::bench(args = ALGORITHMS)]
fn signature_check(bencher: Bencher, algorithm: &str) {
    let Fixture { jwks, token } = Fixture::new(algorithm);
    let (_, key) = PublicKey::from_jwk(&jwks.keys[0]).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bencher.bench(|| assert!(key.verifies(input.as_bytes(), &signature)));
}

#[divan::bench(args = ALGORITHMS)]
fn new_token(bencher: Bencher, algorithm: &str) {
    let fixture = Fixture::new(algorithm);
    let verifier = fixture.verifier(0);
    bencher.bench(|| verifier.verify_with_known_keys(&fixture.token).unwrap());
}

#[divan::bench(args = ALGORITHMS)]
fn cached_token(bencher: Bencher, algorithm: &str) {
    let fixture = Fixture::new(algorithm);
    let verifier = fixture.verifier(1000);
    bencher.bench(|| verifier.verify_with_known_keys(&fixture.token).unwrap());
}

fn main() {
    divan::main();
}
