//! The comparison with the crate `bcrypt` that the tests and the fuzz target share.

use base64::Engine;
use bcrypt_lanes::{Digest, Input, Lanes};

#[derive(Debug)]
pub struct Case {
    pub password: Vec<u8>,
    pub salt: [u8; 16],
    pub cost: u32,
    /// The number of rounds by which the hashes before this one advance before it starts.
    pub rounds_before: u32,
}

/// Computes the hashes side by side, and compares each with the crate's hash.
///
/// It compares the text form, so that the rules for NUL bytes and for the length are compared too.
pub fn assert_same(cases: &[Case]) {
    let mut lanes = Lanes::default();
    let mut finished = Vec::new();
    for case in cases {
        finished.extend(lanes.advance(case.rounds_before));
        while lanes.is_full() {
            finished.extend(lanes.advance(u32::MAX));
        }
        lanes.push(Input::new(&case.password, case.salt, case.cost).unwrap(), case);
    }
    while !lanes.is_empty() {
        finished.extend(lanes.advance(u32::MAX));
    }
    assert_eq!(finished.len(), cases.len());
    for (case, digest) in finished {
        assert_digest(case, digest);
    }
}

/// Compares a digest with the crate's hash.
pub fn assert_digest(case: &Case, digest: Digest) {
    let expected = bcrypt::hash_with_salt(&case.password, case.cost, case.salt).unwrap();
    let expected = expected.to_string();
    assert_eq!(bcrypt::BASE_64.encode(digest), expected[29..], "{case:?}");
}
