//! The signature: nobody's, somebody else's, another form of a good one.

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

use crate::{ISSUER, OURS, Pair, Signer, THEIRS, base64, claims, judge, with};

/// The order of P-256's group.
const N: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
    \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";

/// The order of Ed25519's group, its last byte first.
const L: [u8; 32] = *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";

/// `a + b` or `a - b` of numbers with their last byte first.
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

/// What is made of a good signature.
type Change<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// What becomes of a good token whose signature is changed.
fn judge_changed(signer: &Signer, change: impl Fn(&[u8]) -> Vec<u8>) -> Result<(), VerifyError> {
    let token = signer.good();
    let (input, _) = token.rsplit_once('.').unwrap();
    judge(&format!("{input}.{}", base64(change(&signer.sign(input)))))
}

#[test]
fn a_signature_belongs_to_key_and_message() {
    for (ours, theirs) in OURS.iter().zip(&*THEIRS) {
        let length = ours.sign("").len();
        let changes: [(&str, Change); 15] = [
            ("none", &|_| vec![]),
            ("one byte", &|good| good[..1].into()),
            ("half", &|good| good[..length / 2].into()),
            ("cut at the end", &|good| good[..length - 1].into()),
            ("cut at the start", &|good| good[1..].into()),
            ("a zero before", &|good| [&[0], good].concat()),
            ("a zero behind", &|good| [good, &[0]].concat()),
            ("twice", &|good| [good, good].concat()),
            ("backwards", &|good| good.iter().rev().copied().collect()),
            ("halves swapped", &|good| [&good[length / 2..], &good[..length / 2]].concat()),
            ("zeros", &|_| vec![0; length]),
            ("one", &|_| [&vec![0; length - 1][..], &[1]].concat()),
            ("ones", &|_| vec![1; length]),
            ("all bits", &|_| vec![0xff; length]),
            ("of another message", &|_| ours.sign("message")),
        ];
        for (what, change) in changes {
            assert_eq!(judge_changed(ours, change), Err(Signature), "{} {what}", ours.alg);
        }
        let forged = theirs.with_header(&ours.header());
        assert_eq!(judge(&forged), Err(Signature), "{} of another key", ours.alg);
        assert_eq!(judge_changed(ours, <[u8]>::to_vec), Ok(()));
    }
}

#[test]
fn ecdsa_takes_numbers_in_range_of_32_bytes_each() {
    let [_, p256, _] = &*OURS;
    let mut one = [0; 32];
    one[31] = 1;
    let n_minus_1 = reversed(calculate(reversed(N), |a, b| a - b, reversed(one)));
    let values = [[0; 32], one, n_minus_1, N, [0xff; 32]];
    for r in values {
        for s in values {
            assert_eq!(judge_changed(p256, |_| [r, s].concat()), Err(Signature), "{r:x?} {s:x?}");
        }
        assert_eq!(judge_changed(p256, |good| [&r, &good[32..]].concat()), Err(Signature), "r is {r:x?}");
        assert_eq!(judge_changed(p256, |good| [&good[..32], &r].concat()), Err(Signature), "s is {r:x?}");
    }
    let padded = |good: &[u8]| [&[0], &good[..32], &[0], &good[32..]].concat();
    assert_eq!(judge_changed(p256, padded), Err(Signature), "33 bytes each");
    // The same key writes its signatures as X.509 has them.
    let Pair::P256(pair) = &p256.pair else { panic!() };
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let token = p256.good();
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = der.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    assert_eq!(judge(&format!("{input}.{}", base64(signature))), Err(Signature), "DER");
}

#[test]
fn ecdsa_has_two_signatures_for_one_and_each_makes_a_token_of_its_own() {
    let [_, p256, _] = &*OURS;
    let token = p256.good();
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = p256.sign(input);
    let (r, s) = signature.split_at(32);
    let other = reversed(calculate(reversed(N), |a, b| a - b, reversed(s.try_into().unwrap())));
    let tokens = [s, &other].map(|s| format!("{input}.{}", base64([r, s].concat())));
    assert_ne!(tokens[0], tokens[1]);
    // Who makes the other one has a good token already, and nothing goes by the signature: a session ends by its id.
    for token in &tokens {
        assert_eq!(judge(token), Ok(()));
    }
    assert_eq!(judge(&format!("{input}.{}", base64([&other, r].concat()))), Err(Signature));
}

#[test]
fn ed25519_has_one_signature_for_one() {
    let [ed25519, _, _] = &*OURS;
    let s = |good: &[u8]| <[u8; 32]>::try_from(&good[32..]).unwrap();
    for times in 1..=8 {
        // The multiples that fit: S grows by the group's order, which changes nothing in the equation.
        let grown = |good: &[u8]| {
            let s = (0..times).fold(s(good), |sum, _| calculate(sum, |a, b| a + b, L));
            [&good[..32], &s].concat()
        };
        assert_eq!(judge_changed(ed25519, grown), Err(Signature), "S + {times} L");
    }
    for bit in [0x20, 0x40, 0x80] {
        let high = |good: &[u8]| [&good[..63], &[good[63] | bit]].concat();
        assert_eq!(judge_changed(ed25519, high), Err(Signature), "bit {bit:x} of S");
    }
    assert_eq!(judge_changed(ed25519, |good| [&good[..32], &L].concat()), Err(Signature), "S is L");
}

#[test]
fn a_key_that_anybody_can_sign_for_is_unknown() {
    // The neutral element for a key and for R, and S = 0: the equation holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let forged = base64([neutral, [0; 32]].concat());
    let jwk = with(&OURS[0].jwk(), "x", json!(base64(neutral)));
    let keys = [jwk, OURS[1].jwk()].map(|jwk| serde_json::from_value(jwk).unwrap()).to_vec();
    let verifier = Verifier::builder(ISSUER).audience("api").build_with_keys(&JwkSet { keys });
    let token = OURS[0].good();
    let (input, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verifier.verify_with_known_keys(&format!("{input}.{forged}")), Err(UnknownKey));
    assert_eq!(judge(&format!("{input}.{forged}")), Err(Signature));
}

#[test]
fn a_token_verified_before_vouches_for_no_other() {
    for signer in &*OURS {
        let (good, other) = (signer.good(), signer.with_claims(&with(&claims(), "sub", json!("other"))));
        assert_eq!((judge(&good), judge(&other)), (Ok(()), Ok(())));
        let [good, other] = [&good, &other].map(|token| token.split('.').collect::<Vec<_>>());
        let header = base64(with(&signer.header(), "x", json!(1)).to_string());
        for forged in [
            [good[0], other[1], good[2]],
            [good[0], good[1], other[2]],
            [&header, good[1], good[2]],
            [good[0], good[1], ""],
            [good[0], good[1], &good[2][..good[2].len() / 4 * 4]],
        ] {
            assert_eq!(judge(&forged.join(".")), Err(Signature), "{}", signer.alg);
        }
    }
}
