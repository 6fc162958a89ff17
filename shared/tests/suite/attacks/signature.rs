//! Faults in the signature: none, of another key or message, or in another form.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use serde_json::json;
use shared::{
    Verifier,
    VerifyError::{self, Signature, UnknownKey},
    keys::JwkSet,
};

use super::{ATTACKER_KEYS, ISSUER, ISSUER_KEYS, Pair, Signer, base64, claims, verify, with};

/// Order of the P-256 group, big-endian.
const N: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
    \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";

/// Order of the Ed25519 group, little-endian.
const L: [u8; 32] = *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";

/// Returns `a + b` or `a - b` of little-endian numbers.
fn calculate(a: [u8; 32], operation: fn(i32, i32) -> i32, b: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|at| {
        carry += operation(a[at].into(), b[at].into());
        let digit = carry.rem_euclid(256);
        carry = carry.div_euclid(256);
        digit as u8
    })
}

fn reversed(mut number: [u8; 32]) -> [u8; 32] {
    number.reverse();
    number
}

/// Function that changes a valid signature.
type Change<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// Returns the result of verifying a valid token whose signature is changed.
fn verify_changed(signer: &Signer, change: impl Fn(&[u8]) -> Vec<u8>) -> Result<(), VerifyError> {
    let token = signer.valid_token();
    let (input, _) = token.rsplit_once('.').unwrap();
    verify(&format!("{input}.{}", base64(change(&signer.sign(input)))))
}

#[test]
fn a_signature_of_another_key_or_message_is_refused() {
    for (issuer, attacker) in ISSUER_KEYS.iter().zip(&*ATTACKER_KEYS) {
        let length = issuer.sign("").len();
        let changes: [(&str, Change); 15] = [
            ("none", &|_| vec![]),
            ("one byte", &|valid| valid[..1].into()),
            ("half", &|valid| valid[..length / 2].into()),
            ("cut at the end", &|valid| valid[..length - 1].into()),
            ("cut at the start", &|valid| valid[1..].into()),
            ("a zero before", &|valid| [&[0], valid].concat()),
            ("a zero behind", &|valid| [valid, &[0]].concat()),
            ("twice", &|valid| [valid, valid].concat()),
            ("backwards", &|valid| valid.iter().rev().copied().collect()),
            ("halves swapped", &|valid| [&valid[length / 2..], &valid[..length / 2]].concat()),
            ("zeros", &|_| vec![0; length]),
            ("one", &|_| [&vec![0; length - 1][..], &[1]].concat()),
            ("ones", &|_| vec![1; length]),
            ("all bits", &|_| vec![0xff; length]),
            ("of another message", &|_| issuer.sign("message")),
        ];
        for (what, change) in changes {
            assert_eq!(verify_changed(issuer, change), Err(Signature), "{} {what}", issuer.alg);
        }
        let forged = attacker.with_header(&issuer.header());
        assert_eq!(verify(&forged), Err(Signature), "{} of another key", issuer.alg);
        assert_eq!(verify_changed(issuer, <[u8]>::to_vec), Ok(()));
    }
}

#[test]
fn ecdsa_signatures_are_two_numbers_in_range_of_32_bytes() {
    let [_, p256, _] = &*ISSUER_KEYS;
    let mut one = [0; 32];
    one[31] = 1;
    let n_minus_1 = reversed(calculate(reversed(N), |a, b| a - b, reversed(one)));
    let values = [[0; 32], one, n_minus_1, N, [0xff; 32]];
    for r in values {
        for s in values {
            assert_eq!(verify_changed(p256, |_| [r, s].concat()), Err(Signature), "{r:x?} {s:x?}");
        }
        assert_eq!(
            verify_changed(p256, |valid| [&r, &valid[32..]].concat()),
            Err(Signature),
            "r is {r:x?}"
        );
        assert_eq!(
            verify_changed(p256, |valid| [&valid[..32], &r].concat()),
            Err(Signature),
            "s is {r:x?}"
        );
    }
    let padded = |valid: &[u8]| [&[0], &valid[..32], &[0], &valid[32..]].concat();
    assert_eq!(verify_changed(p256, padded), Err(Signature), "33 bytes each");
    // A valid signature of the key, encoded as in X.509.
    let Pair::P256(pair) = &p256.pair else { panic!() };
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let token = p256.valid_token();
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = der.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    assert_eq!(verify(&format!("{input}.{}", base64(signature))), Err(Signature), "DER");
}

#[test]
fn both_forms_of_an_ecdsa_signature_are_accepted() {
    let [_, p256, _] = &*ISSUER_KEYS;
    let token = p256.valid_token();
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = p256.sign(input);
    let (r, s) = signature.split_at(32);
    let other = reversed(calculate(reversed(N), |a, b| a - b, reversed(s.try_into().unwrap())));
    let tokens = [s, &other].map(|s| format!("{input}.{}", base64([r, s].concat())));
    assert_ne!(tokens[0], tokens[1]);
    // Harmless: the second form needs a valid token, and revocation uses the session id, not the
    // signature.
    for token in &tokens {
        assert_eq!(verify(token), Ok(()));
    }
    assert_eq!(verify(&format!("{input}.{}", base64([&other, r].concat()))), Err(Signature));
}

#[test]
fn only_the_canonical_form_of_an_ed25519_signature_is_accepted() {
    let [ed25519, _, _] = &*ISSUER_KEYS;
    let s = |valid: &[u8]| <[u8; 32]>::try_from(&valid[32..]).unwrap();
    for times in 1..=8 {
        // Adding the order of the group to S does not change the equation. Eight multiples fit into
        // 32 bytes.
        let grown = |valid: &[u8]| {
            let s = (0..times).fold(s(valid), |sum, _| calculate(sum, |a, b| a + b, L));
            [&valid[..32], &s].concat()
        };
        assert_eq!(verify_changed(ed25519, grown), Err(Signature), "S + {times} L");
    }
    for bit in [0x20, 0x40, 0x80] {
        let high = |valid: &[u8]| [&valid[..63], &[valid[63] | bit]].concat();
        assert_eq!(verify_changed(ed25519, high), Err(Signature), "bit {bit:x} of S");
    }
    assert_eq!(
        verify_changed(ed25519, |valid| [&valid[..32], &L].concat()),
        Err(Signature),
        "S is L"
    );
}

#[test]
fn a_key_of_low_order_is_not_used() {
    // With the neutral element as key and as R, and S = 0, the equation holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let forged = base64([neutral, [0; 32]].concat());
    let jwk = with(&ISSUER_KEYS[0].jwk(), "x", json!(base64(neutral)));
    let keys = [jwk, ISSUER_KEYS[1].jwk()].map(|jwk| serde_json::from_value(jwk).unwrap()).to_vec();
    let verifier = Verifier::builder(ISSUER).audience("api").build_with_keys(&JwkSet { keys });
    let token = ISSUER_KEYS[0].valid_token();
    let (input, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verifier.verify_with_known_keys(&format!("{input}.{forged}")), Err(UnknownKey));
    assert_eq!(verify(&format!("{input}.{forged}")), Err(Signature));
}

#[test]
fn a_cached_token_does_not_make_a_mix_of_two_tokens_valid() {
    for signer in &*ISSUER_KEYS {
        let valid = signer.valid_token();
        let other = signer.with_claims(&with(&claims(), "sub", json!("other")));
        assert_eq!(verify(&valid), Ok(()));
        assert_eq!(verify(&other), Ok(()));
        let [valid, other] = [&valid, &other].map(|token| token.split('.').collect::<Vec<_>>());
        let header = base64(with(&signer.header(), "x", json!(1)).to_string());
        for forged in [
            [valid[0], other[1], valid[2]],
            [valid[0], valid[1], other[2]],
            [&header, valid[1], valid[2]],
            [valid[0], valid[1], ""],
            [valid[0], valid[1], &valid[2][..valid[2].len() / 4 * 4]],
        ] {
            assert_eq!(verify(&forged.join(".")), Err(Signature), "{}", signer.alg);
        }
    }
}
