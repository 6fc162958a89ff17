//! Hashes side by side, of any passwords, begun at any time, against the crate `bcrypt`.

#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::{Case, assert_same};

// Each case is a byte for cost and length, one for when it begins, sixteen for the salt, and the password.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.iter().copied();
    let mut cases = Vec::new();
    while let (Some(first), Some(after)) = (bytes.next(), bytes.next()) {
        let mut take = |count| bytes.by_ref().take(count).collect::<Vec<u8>>();
        let mut salt = take(16);
        salt.resize(16, 0);
        let salt = salt.try_into().expect("sixteen bytes");
        let (cost, length) = (4 + u32::from(first % 3), usize::from(first / 3));
        cases.push(Case { password: take(length), salt, cost, after: after.into() });
    }
    assert_same(&cases);
});
