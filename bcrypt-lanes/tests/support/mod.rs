//! Hashes by lanes, held against the crate `bcrypt`.

use base64::Engine;
use bcrypt_lanes::{Input, Lanes};

#[derive(Debug)]
pub struct Case {
    pub password: Vec<u8>,
    pub salt: [u8; 16],
    pub cost: u32,
    /// By how many rounds the hashes before it are ahead.
    pub after: u32,
}

/// Computes them side by side, and compares texts: the rules for NUL and length are the other crate's too.
pub fn assert_same(cases: &[Case]) {
    let mut lanes = Lanes::default();
    let mut done = Vec::new();
    for case in cases {
        done.extend(lanes.advance(case.after));
        while lanes.is_full() {
            done.extend(lanes.advance(u32::MAX));
        }
        lanes.push(Input::new(&case.password, case.salt, case.cost).unwrap(), case);
    }
    while !lanes.is_empty() {
        done.extend(lanes.advance(u32::MAX));
    }
    assert_eq!(done.len(), cases.len());
    for (case, sum) in done {
        let expected = bcrypt::hash_with_salt(&case.password, case.cost, case.salt).unwrap().to_string();
        assert_eq!(bcrypt::BASE_64.encode(sum), expected[29..], "{case:?}");
    }
}
