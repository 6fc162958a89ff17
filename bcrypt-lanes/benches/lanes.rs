//! Compares the crate `bcrypt`, which computes one hash at a time, with several lanes.
//!
//! Run with `cargo bench -p bcrypt-lanes`.

use bcrypt_lanes::{Input, Lanes};
use divan::{Bencher, counter::ItemsCount};

const COST: u32 = 8;

#[divan::bench]
fn bcrypt_crate(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| bcrypt::bcrypt(COST, [7; 16], b"correct horse\0"));
}

#[divan::bench(args = [1, 2, 4, 6])]
fn lanes(bencher: Bencher, count: usize) {
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let mut lanes = Lanes::default();
        for lane in 0..count {
            lanes.push(Input::new(b"correct horse", [7; 16], COST).unwrap(), lane);
        }
        while !lanes.is_empty() {
            lanes.advance(16);
        }
    });
}

fn main() {
    divan::main();
}
