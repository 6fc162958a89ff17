//! Compares hashes of arbitrary inputs, started at arbitrary times, with the crate `bcrypt`.

#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::{Case, assert_same};

// A case is one byte for cost and password length, one byte for the start, 16 bytes of salt, and
// the password.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.iter().copied();
    let mut cases = Vec::new();
    while let (Some(cost_and_length), Some(rounds_before)) = (bytes.next(), bytes.next()) {
        let mut take = |count| bytes.by_ref().take(count).collect::<Vec<u8>>();
        let mut salt = take(16);
        salt.resize(16, 0);
        let salt = salt.try_into().expect("the salt was resized to 16 bytes");
        let cost = 4 + u32::from(cost_and_length % 3);
        let password = take(usize::from(cost_and_length / 3));
        cases.push(Case { password, salt, cost, rounds_before: rounds_before.into() });
    }
    assert_same(&cases);
});
