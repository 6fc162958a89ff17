//! Blowfish with bcrypt's costly key schedule, several states at a time.

use zeroize::Zeroizing;

use crate::{Sum, pi};

/// A password, repeated until it fills all subkeys. On the heap, so that moving it leaves no copy behind.
pub type Key = Box<Zeroizing<[u32; 18]>>;

/// One lane: a cipher's state, and what is mixed into it over and over.
pub struct Lane {
    s: [[u32; 256]; 4],
    p: [u32; 18],
    key: Key,
    salt: [u32; 4],
}

impl Lane {
    /// A state with key and salt mixed in once.
    pub fn new(key: Key, salt: [u32; 4]) -> Self {
        let mut lane = [Self { s: pi::S, p: pi::P, key, salt }];
        mix_keys(&mut lane);
        expand(&mut lane, salt);
        let [lane] = lane;
        lane
    }

    /// The magic text, encrypted 64 times.
    pub fn sum(mut self) -> Sum {
        let mut sum = [0; 24];
        for (block, text) in sum.chunks_exact_mut(8).zip(b"OrpheanBeholderScryDoubt".chunks_exact(8)) {
            let mut text = u64::from_be_bytes(text.try_into().expect("eight bytes"));
            for _ in 0..64 {
                let [left, right] =
                    encrypt(std::array::from_mut(&mut self), [[(text >> 32) as u32], [text as u32]], [0; 2]);
                text = u64::from(left[0]) << 32 | u64::from(right[0]);
            }
            block.copy_from_slice(&text.to_be_bytes());
        }
        *sum.first_chunk().expect("one byte less")
    }
}

/// How many lanes there may be.
pub const CAPACITY: usize = 6;

/// Mixes key and salt into every lane, `rounds` times.
pub fn advance(lanes: &mut [Lane], rounds: u32) {
    match lanes.len() {
        0 => {}
        1 => mix::<1>(lanes, rounds),
        2 => mix::<2>(lanes, rounds),
        3 => mix::<3>(lanes, rounds),
        4 => mix::<4>(lanes, rounds),
        5 => mix::<5>(lanes, rounds),
        _ => mix::<CAPACITY>(lanes, rounds),
    }
}

fn mix<const N: usize>(lanes: &mut [Lane], rounds: u32) {
    let lanes: &mut [Lane; N] = lanes.try_into().expect("no more lanes than there may be");
    for _ in 0..rounds {
        mix_keys(lanes);
        expand(lanes, [0; 4]);
        for lane in &mut *lanes {
            for (p, i) in lane.p.iter_mut().zip(0..) {
                *p ^= lane.salt[i % 4];
            }
        }
        expand(lanes, [0; 4]);
    }
}

fn mix_keys<const N: usize>(lanes: &mut [Lane; N]) {
    for lane in lanes {
        for (p, key) in lane.p.iter_mut().zip(lane.key.iter()) {
            *p ^= key;
        }
    }
}

/// Replaces subkeys and S-boxes by what the cipher makes of its own output, with a salt mixed in, half of it by turns.
#[inline(always)]
fn expand<const N: usize>(lanes: &mut [Lane; N], salt: [u32; 4]) {
    let mut block = [[0; N]; 2];
    for i in (0..18).step_by(2) {
        block = encrypt(lanes, block, [salt[i % 4], salt[i % 4 + 1]]);
        for n in 0..N {
            lanes[n].p[i] = block[0][n];
            lanes[n].p[i + 1] = block[1][n];
        }
    }
    for s in 0..4 {
        for i in (0..256).step_by(2) {
            // There were nine blocks before: it is the other half's turn.
            block = encrypt(lanes, block, [salt[(i + 2) % 4], salt[(i + 2) % 4 + 1]]);
            for n in 0..N {
                lanes[n].s[s][i] = block[0][n];
                lanes[n].s[s][i + 1] = block[1][n];
            }
        }
    }
}

/// One block in each lane, with a salt mixed in.
#[inline(always)]
fn encrypt<const N: usize>(
    lanes: &[Lane; N],
    [mut left, mut right]: [[u32; N]; 2],
    salt: [u32; 2],
) -> [[u32; N]; 2] {
    for n in 0..N {
        left[n] ^= salt[0] ^ lanes[n].p[0];
        right[n] ^= salt[1];
    }
    // Not a loop: six lanes take an eighth longer in one.
    two_rounds(lanes, &mut left, &mut right, 1);
    two_rounds(lanes, &mut left, &mut right, 3);
    two_rounds(lanes, &mut left, &mut right, 5);
    two_rounds(lanes, &mut left, &mut right, 7);
    two_rounds(lanes, &mut left, &mut right, 9);
    two_rounds(lanes, &mut left, &mut right, 11);
    two_rounds(lanes, &mut left, &mut right, 13);
    two_rounds(lanes, &mut left, &mut right, 15);
    for n in 0..N {
        right[n] ^= lanes[n].p[17];
    }
    [right, left]
}

/// A round waits for the round before it in its lane, a look-up and four sums long. It does not wait for other lanes, so
/// the inner loops are over these, and a core works on all of them at once.
#[inline(always)]
fn two_rounds<const N: usize>(lanes: &[Lane; N], left: &mut [u32; N], right: &mut [u32; N], i: usize) {
    for n in 0..N {
        // The subkey first: it is there before the look-ups are.
        right[n] = right[n] ^ lanes[n].p[i] ^ mangled(&lanes[n].s, left[n]);
    }
    for n in 0..N {
        left[n] = left[n] ^ lanes[n].p[i + 1] ^ mangled(&lanes[n].s, right[n]);
    }
}

/// Blowfish's function of half a block. Indices are bytes, so that no bound needs a check.
#[inline(always)]
fn mangled(s: &[[u32; 256]; 4], word: u32) -> u32 {
    let byte = |shift: u32| usize::from((word >> shift) as u8);
    (s[0][byte(24)].wrapping_add(s[1][byte(16)]) ^ s[2][byte(8)]).wrapping_add(s[3][byte(0)])
}
