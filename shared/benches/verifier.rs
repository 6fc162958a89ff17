//! Cost of verifying a token: the signature check alone, which is the lower limit for a new token;
//! a new token; and a cached token, which must cost less than a twentieth of the signature check.
//! `cargo bench -p shared --features testing`

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use divan::Bencher;
use serde_json::json;
use shared::{
    Verifier,
    keys::{JwkSet, PublicKey},
    testing::TestIssuer,
};

const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

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
            "ES256" => Self::es256(&token),
            _ => Self::rs256(&token),
        }
    }

    fn es256(claims_of: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let input = signing_input("ES256", claims_of);
        let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        // An uncompressed point: the byte 4, then x, then y.
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "kid": "test", "alg": "ES256", "x": x, "y": y});
        let jwks = JwkSet { keys: vec![serde_json::from_value(jwk).unwrap()] };
        Self { jwks, token: format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)) }
    }

    fn rs256(claims_of: &str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let input = signing_input("RS256", claims_of);
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

/// Returns the header for this algorithm and the claims of a token, encoded.
fn signing_input(algorithm: &str, claims_of: &str) -> String {
    let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": "test"}).to_string();
    let claims = claims_of.split('.').nth(1).unwrap();
    format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header))
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
