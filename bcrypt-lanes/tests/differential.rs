//! Compares hashes, alone and beside other hashes, with the hashes of the crate `bcrypt`.
//!
//! `bcrypt-lanes/fuzz` does the same with arbitrary inputs.

mod support;

use std::iter::repeat_with;

use base64::Engine;
use bcrypt_lanes::{Input, Lanes};
use support::{Case, assert_digest, assert_same};

fn random(length: usize, cost: u32) -> Case {
    let password = repeat_with(|| fastrand::u8(..)).take(length).collect();
    Case { password, salt: fastrand::u128(..).to_be_bytes(), cost, rounds_before: 0 }
}

#[test]
fn published_vectors_hold_in_every_lane() {
    let go = [
        29, 225, 195, 167, 223, 236, 85, 195, 114, 227, 7, 0, 209, 239, 189, 24, 51, 105, 124, 168,
        151, 75, 144, 64, 198, 197, 196, 4, 241, 97, 110, 135,
    ];
    // From the tests of the crate `bcrypt` and of jBCrypt.
    let vectors: [(&[u8], &str); 9] = [
        (b"", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
        (b"a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        (
            b"abcdefghijklmnopqrstuvwxyz",
            "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.",
        ),
        (b"password", "$2a$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96"),
        (
            b"correctbatteryhorsestapler",
            "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
        ),
        (
            b"correctbatteryhorsestapler",
            "$2a$04$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi",
        ),
        (&go, "$2a$04$tjARW6ZON3PhrAIRW2LG/u9aDw5eFdstYLR8nFCNaOQmsH9XD23w."),
        (&[b'x'; 100], "$2a$05$......................YgIDy4hFBdVlc/6LHnD9mX488r9cLd2"),
        (b"My S3cre7 P@55w0rd!", "$2b$05$HlFShUxTu4ZHHfOLJwfmCeDj/kuKFKboanXtDJXxCC7aIPTUgxNDe"),
    ];
    for lane in 0..Lanes::<()>::CAPACITY {
        for (password, text) in vectors {
            assert_vector_in_lane(password, text, lane);
        }
    }
}

fn assert_vector_in_lane(password: &[u8], text: &str, lane: usize) {
    let parts: bcrypt::HashParts = text.parse().unwrap();
    let mut lanes = Lanes::default();
    for other in 0..Lanes::<()>::CAPACITY {
        let input = if other == lane {
            Input::new(password, parts.get_salt_raw(), parts.get_cost())
        } else {
            Input::new(b"another password", [other as u8; 16], parts.get_cost())
        };
        lanes.push(input.unwrap(), other);
    }
    let finished = lanes.advance(u32::MAX);
    let (_, digest) = finished.iter().find(|(tag, _)| *tag == lane).unwrap();
    assert_eq!(bcrypt::BASE_64.encode(digest), text[29..], "{text} in lane {lane}");
}

#[test]
fn password_of_any_length_gets_the_hash_of_crate_bcrypt() {
    let cases: Vec<Case> = (0..=80).map(|length| random(length, 4)).collect();
    assert_same(&cases);
}

#[test]
fn hashes_of_different_costs_side_by_side() {
    for _ in 0..2 {
        let mut cases: Vec<Case> = [4, 5, 6, 7, 8, 10].map(|cost| random(20, cost)).into();
        fastrand::shuffle(&mut cases);
        assert_same(&cases);
    }
}

#[test]
fn every_number_of_lanes_computes_the_hashes_of_crate_bcrypt() {
    for count in 1..=Lanes::<()>::CAPACITY {
        let cases: Vec<Case> = repeat_with(|| random(12, 5)).take(count).collect();
        assert_same(&cases);
    }
}

#[test]
fn hashes_that_start_and_finish_at_different_times() {
    let case = || Case {
        rounds_before: fastrand::u32(0..20),
        ..random(fastrand::usize(0..=80), fastrand::u32(4..=6))
    };
    let cases: Vec<Case> = repeat_with(case).take(300).collect();
    assert_same(&cases);
}

#[test]
fn abandoned_hashes_do_not_change_the_others() {
    let cases: Vec<Case> = repeat_with(|| random(12, 5)).take(Lanes::<()>::CAPACITY).collect();
    let mut lanes = Lanes::default();
    for (case, index) in cases.iter().zip(0..) {
        lanes.push(Input::new(&case.password, case.salt, case.cost).unwrap(), index);
    }
    lanes.advance(7);
    lanes.retain(|index| index % 2 == 1);
    let finished = lanes.advance(u32::MAX);
    assert!(lanes.is_empty());
    assert_eq!(finished.len(), cases.len() / 2);
    for (index, digest) in finished {
        assert_digest(&cases[index], digest);
    }
}

#[test]
fn every_byte_up_to_the_limit_counts_and_none_beyond_it() {
    let hash = |password: &[u8]| {
        let mut lanes = Lanes::default();
        lanes.push(Input::new(password, [7; 16], 4).unwrap(), ());
        let [((), digest)] = lanes.advance(16)[..] else { panic!("cost 4 has 16 rounds") };
        digest
    };
    let password = [b'x'; 80];
    let unchanged = hash(&password);
    for i in 0..80 {
        let mut other = password;
        other[i] = b'y';
        assert_eq!(hash(&other) == unchanged, i >= 72, "byte {i}");
    }
    assert_ne!(hash(b"before\0after"), hash(b"before"));
}

#[test]
fn other_costs_are_refused() {
    for cost in [0, 3, 32, u32::MAX] {
        assert!(Input::new(b"correct horse", [7; 16], cost).is_none(), "{cost}");
    }
}
