//! Published test vectors for signatures: Project Wycheproof and the examples of the RFCs.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::ThumbprintHash;
use serde_json::{Value, json};
use shared::{
    Verifier, VerifyError,
    keys::{Jwk, JwkError, JwkSet, PublicKey},
};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

fn parsed(jwk: &Value) -> Jwk {
    serde_json::from_value(jwk.clone()).unwrap()
}

/// Parses a JWK, with a key id if it has none.
fn key(jwk: &Value) -> Result<PublicKey, JwkError> {
    let mut jwk = parsed(jwk);
    jwk.common.key_id.get_or_insert("test".into());
    PublicKey::from_jwk(&jwk).map(|(_, key)| key)
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Numbers of accepted and refused vectors. Each result is the expected one.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn check(&mut self, accepted: bool, expected: bool, what: &str) {
        assert_eq!(accepted, expected, "{what}");
        *(if accepted { &mut self.accepted } else { &mut self.refused }) += 1;
    }
}

/// Checks every vector of a Wycheproof set with the key of its group. A macro, because each set has
/// its own types.
macro_rules! tally {
    ($set:expr, $key:expr) => {{
        let mut tally = Tally::default();
        for group in $set.unwrap().test_groups {
            let key = key(&$key(&group)).unwrap();
            for test in group.tests {
                // "Acceptable" counts as invalid. Only RSA has these vectors: they lack the NULL
                // that RFC 8017 section 9.2 requires after the hash's identifier.
                let valid = test.result == TestResult::Valid;
                let what = format!("{} {}", test.tc_id, test.comment);
                tally.check(key.verifies(&test.msg, &test.sig), valid, &what);
            }
        }
        tally
    }};
}

#[test]
fn wycheproof_ed25519() {
    let jwk = |group: &eddsa::TestGroup| {
        let x = base64(&group.key.pk);
        json!({"kty": "OKP", "crv": "Ed25519", "x": x})
    };
    let tally = tally!(eddsa::TestSet::load(eddsa::TestName::Ed25519), jwk);
    assert_eq!(tally, Tally { accepted: 88, refused: 63 });
}

#[test]
fn wycheproof_p256() {
    let jwk = |group: &ecdsa::TestGroup| {
        let (x, y) = group.key.key[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
    };
    let tally = tally!(ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363), jwk);
    assert_eq!(tally, Tally { accepted: 173, refused: 89 });
}

#[test]
fn wycheproof_rsa() {
    use rsa_pkcs1_verify::{TestGroup, TestName, TestSet};
    let jwk = |group: &TestGroup| {
        // The modulus has the leading zero of ASN.1.
        let n = group.key.n.strip_prefix(&[0]).unwrap();
        json!({"kty": "RSA", "n": base64(n), "e": base64(&group.key.e)})
    };
    for (name, accepted, refused) in [
        (TestName::Rsa2048Sha256, 9, 250),
        (TestName::Rsa3072Sha256, 8, 251),
        (TestName::Rsa4096Sha256, 7, 251),
        (TestName::Rsa8192Sha256, 7, 251),
    ] {
        assert_eq!(tally!(TestSet::load(name), jwk), Tally { accepted, refused }, "{name:?}");
    }
}

/// Returns `true` if `key` verifies the signature of a compact JWS.
fn verifies(key: &PublicKey, jws: &str) -> bool {
    let (input, signature) = jws.rsplit_once('.').unwrap_or((jws, ""));
    URL_SAFE_NO_PAD
        .decode(signature)
        .is_ok_and(|signature| key.verifies(input.as_bytes(), &signature))
}

fn verifier(jwk: &Value) -> Verifier {
    // A usable key as well, because a verifier without keys refuses every token.
    let (mut usable, _) = rfc_example("RFC 8037 A.4");
    usable["kid"] = json!("another");
    let keys = vec![parsed(jwk), parsed(&usable)];
    Verifier::builder("joe").audience("api").build_with_keys(&JwkSet { keys })
}

fn rfc_example(from: &str) -> (Value, String) {
    let file: Vec<Value> = serde_json::from_str(include_str!("vectors/rfc.json")).unwrap();
    let example = file.iter().find(|example| example["from"] == from).unwrap();
    (example["jwk"].clone(), example["jws"].as_str().unwrap().into())
}

#[test]
fn the_examples_of_the_rfcs_verify_and_any_changed_bit_is_refused() {
    for from in ["RFC 7515 A.2", "RFC 7515 A.3", "RFC 7520 4.1", "RFC 8037 A.4"] {
        let (jwk, jws) = rfc_example(from);
        let key = key(&jwk).unwrap();
        let (input, signature) = jws.rsplit_once('.').unwrap();
        let input = input.as_bytes().to_vec();
        let signature = decoded(signature);
        assert!(key.verifies(&input, &signature), "{from}");
        let flipped = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for bit in 0..input.len() * 8 {
            assert!(
                !key.verifies(&flipped(&input, bit), &signature),
                "{from}: bit {bit} of the input"
            );
        }
        for bit in 0..signature.len() * 8 {
            assert!(
                !key.verifies(&input, &flipped(&signature, bit)),
                "{from}: bit {bit} of the signature"
            );
        }
        for length in 0..signature.len() {
            assert!(
                !key.verifies(&input, &signature[..length]),
                "{from}: {length} bytes of the signature"
            );
        }
    }
}

#[test]
fn the_examples_of_the_rfcs_with_other_algorithms_are_refused() {
    let unusable = Some(JwkError::Unsupported);
    for (from, why) in [
        ("RFC 7515 A.1", &unusable),
        ("RFC 7515 A.4", &unusable),
        // A usable key, but the token names another algorithm.
        ("RFC 7520 4.2", &None),
        ("RFC 7520 4.3", &unusable),
        ("RFC 7520 4.4", &unusable),
    ] {
        let (jwk, jws) = rfc_example(from);
        let key = key(&jwk);
        assert_eq!(&key.as_ref().err(), &why.as_ref(), "{from}");
        assert!(!key.is_ok_and(|key| verifies(&key, &jws)), "{from}");
        assert_eq!(
            verifier(&jwk).verify_with_known_keys(&jws),
            Err(VerifyError::Algorithm),
            "{from}"
        );
    }
    let (jwk, _) = rfc_example("RFC 8037 A.4");
    let (_, unsigned) = rfc_example("RFC 7515 A.5");
    assert_eq!(verifier(&jwk).verify_with_known_keys(&unsigned), Err(VerifyError::Algorithm));
}

#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    let (jwk, _) = rfc_example("RFC 8037 A.4");
    let thumbprint = parsed(&jwk).thumbprint(ThumbprintHash::SHA256).unwrap();
    assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}
