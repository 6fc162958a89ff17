//! JWKs that are not usable keys.

use std::sync::LazyLock;

use aws_lc_rs::{
    digest,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::keys::{JwkError, PublicKey};

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn key(jwk: &Value) -> Result<PublicKey, JwkError> {
    PublicKey::from_jwk(&serde_json::from_value(jwk.clone()).unwrap()).map(|(_, key)| key)
}

fn error(jwk: &Value) -> Option<JwkError> {
    key(jwk).err()
}

fn ed25519(x: impl AsRef<[u8]>) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": base64(x), "kid": "test"})
}

fn p256(x: impl AsRef<[u8]>, y: impl AsRef<[u8]>) -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y), "kid": "test"})
}

fn rsa(n: impl AsRef<[u8]>, e: impl AsRef<[u8]>) -> Value {
    json!({"kty": "RSA", "n": base64(n), "e": base64(e), "kid": "test"})
}

/// Returns the coordinates of a new P-256 key.
fn point() -> (Vec<u8>, Vec<u8>) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    (x.into(), y.into())
}

/// A modulus of 2048 bits.
static MODULUS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    pair.public_key().modulus().big_endian_without_leading_zero().into()
});

/// Returns one valid key of each algorithm.
fn valid_keys() -> [Value; 3] {
    let (x, y) = point();
    let pair = Ed25519KeyPair::generate().unwrap();
    [ed25519(pair.public_key()), p256(x, y), rsa(&*MODULUS, [1, 0, 1])]
}

fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value;
    jwk
}

#[test]
fn a_key_is_used_only_for_signatures_of_its_algorithm() {
    let names = ["EdDSA", "ES256", "RS256"];
    for (jwk, algorithm) in valid_keys().iter().zip(names) {
        assert_eq!(key(jwk).unwrap().algorithm.name(), algorithm);
        for (name, value, expected) in [
            ("kid", Value::Null, Some(JwkError::NoKeyId)),
            ("use", json!("sig"), None),
            ("use", json!("enc"), Some(JwkError::NotForSignatures)),
            ("use", json!("SIG"), Some(JwkError::NotForSignatures)),
            ("key_ops", json!(["verify"]), None),
            ("key_ops", json!(["encrypt", "wrapKey"]), Some(JwkError::NotForSignatures)),
            ("key_ops", json!(["sign"]), Some(JwkError::NotForSignatures)),
            ("key_ops", json!([]), Some(JwkError::NotForSignatures)),
        ] {
            assert_eq!(
                error(&with(jwk, name, value.clone())),
                expected,
                "{algorithm}: {name} {value}"
            );
        }
        for alg in
            names.iter().chain(&["HS256", "PS256", "RS384", "ES384", "none", "eddsa", "unknown"])
        {
            let expected = (*alg != algorithm).then_some(JwkError::Unsupported);
            assert_eq!(error(&with(jwk, "alg", json!(alg))), expected, "{algorithm}: alg {alg}");
        }
    }
}

#[test]
fn numbers_must_be_canonical_base64url() {
    for (jwk, member) in valid_keys().iter().zip(["x", "y", "n"]) {
        let text = jwk[member].as_str().unwrap();
        let last = text.chars().last().unwrap();
        for spelling in [
            String::new(),
            format!("{text}="),
            format!(" {text}"),
            format!("{text}\n"),
            format!("+/{}", &text[2..]),
            // Stray bits: the length of each number leaves some.
            format!("{}{}", &text[..text.len() - 1], char::from(last as u8 + 1)),
        ] {
            let jwk = with(jwk, member, json!(spelling));
            assert_eq!(error(&jwk), Some(JwkError::Invalid), "{member} {spelling:?}");
        }
    }
}

#[test]
fn a_p256_key_must_be_a_point_of_the_curve_with_coordinates_of_32_bytes() {
    let (x, y) = point();
    assert_eq!(error(&p256(&x, &y)), None);
    let zero = [0; 32];
    let padded = |coordinate: &[u8]| [&[0], coordinate].concat();
    for (what, x, y) in [
        ("swapped", &*y, &*x),
        ("at infinity", &zero, &zero),
        ("x is zero", &zero, &y),
        ("y is zero", &x, &zero),
        ("x is not below p", &[0xff; 32], &y),
        ("x padded", &padded(&x), &y),
        ("y padded", &x, &padded(&y)),
        ("x cut short", &x[1..], &y),
        ("y cut short", &x, &y[..31]),
        ("the end of x in y", &x[..31], &[&x[31..], &y].concat()),
        ("y in x", &[&*x, &y].concat(), &[]),
        ("x alone", &x, &[]),
    ] {
        assert_eq!(error(&p256(x, y)), Some(JwkError::Invalid), "{what}");
    }
}

#[test]
fn an_ed25519_key_of_low_order_or_in_another_encoding_is_refused() {
    // The y coordinates of the points of order 1, 2, 4 and 8, with both signs of x; and every
    // encoding that is not below p = 2^255 - 19, which includes other encodings of these points.
    let mut low = vec![[0; 32], [0; 32]];
    low[1][0] = 1;
    for order_8 in [
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
    ] {
        low.push(decoded(order_8).try_into().unwrap());
    }
    for last in 0xec..=0xff {
        let mut y = [0xff; 32];
        y[0] = last;
        y[31] = 0x7f;
        low.push(y);
    }
    for mut y in low {
        for sign in [0, 0x80] {
            y[31] = y[31] & 0x7f | sign;
            assert_eq!(error(&ed25519(y)), Some(JwkError::Invalid), "{y:x?}");
        }
    }
    let x = Ed25519KeyPair::generate().unwrap().public_key().as_ref().to_vec();
    for bytes in [&x[1..], &[&*x, &[0]].concat(), &[]] {
        assert_eq!(error(&ed25519(bytes)), Some(JwkError::Invalid));
    }
}

/// Returns the encoded message of a signature (RFC 8017 section 9.2). With an `e` of 1, this is the
/// signature.
fn encoded(message: &[u8], length: usize) -> Vec<u8> {
    let sha256 = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let hash = [sha256, digest::digest(&digest::SHA256, message).as_ref()].concat();
    [&[0, 1], &*vec![0xff; length - 3 - hash.len()], &[0], &hash].concat()
}

#[test]
fn a_weak_rsa_key_is_refused() {
    let short = decoded(
        "xsuKMQOrmog6PyzjrrQTZ5obqLmsxDAT1Ayxy1oKkPr56TZNesJPR4wqcxI-bNpCpN1JoNta2IKw1Z25\
         bA4uEgEBnYFlOHzERJkYT0ooxU_It1u3673_HNAlKlaH7JX8ZxS8znW3eIvJvqZEkgDEK6tTevs_L-59\
         kcXAhSQ5l8s",
    );
    let mut even = MODULUS.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let mut bits_2047 = MODULUS.clone();
    bits_2047[0] &= 0x7f;
    for (what, n, e) in [
        ("1024 bits", &*short, &[1, 0, 1][..]),
        ("2047 bits", &bits_2047, &[1, 0, 1]),
        ("e is 1", &MODULUS, &[1]),
        ("e is 2", &MODULUS, &[2]),
        ("e is even", &MODULUS, &[1, 0, 0]),
        ("n is even", &even, &[1, 0, 1]),
        ("n and e are even", &even, &[2]),
        ("n is zero", &[0; 256], &[1, 0, 1]),
        ("e is zero", &MODULUS, &[0]),
        ("no n", &[], &[1, 0, 1]),
        ("no e", &MODULUS, &[]),
        ("n padded", &[&[0], &**MODULUS].concat(), &[1, 0, 1]),
        ("e padded", &MODULUS, &[0, 1, 0, 1]),
    ] {
        assert_eq!(error(&rsa(n, e)), Some(JwkError::Invalid), "{what}");
    }
}

#[test]
fn an_rsa_key_with_a_huge_exponent_verifies_no_message_that_is_its_own_signature() {
    let message = b"message";
    let forged = encoded(message, 256);
    let key = key(&rsa(&*MODULUS, &MODULUS[..255]));
    assert!(!key.is_ok_and(|key| key.verifies(message, &forged)));
}
