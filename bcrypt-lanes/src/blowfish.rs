//! Blowfish with the key schedule of bcrypt ("eksblowfish"), for several states at a time.

use zeroize::Zeroizing;

use crate::{Digest, pi};

/// A password, repeated until it fills all 18 subkeys.
///
/// It is on the heap, because moving an array would leave a copy of the password behind.
pub type Key = Box<Zeroizing<[u32; 18]>>;

/// One hash: the state of its cipher, and the key and salt that every round mixes into that state.
pub struct Lane {
    /// The S-boxes.
    s: [[u32; 256]; 4],
    /// The subkeys.
    p: [u32; 18],
    key: Key,
    salt: [u32; 4],
}

impl Lane {
    /// Returns a state into which key and salt are mixed once.
    pub fn new(key: Key, salt: [u32; 4]) -> Self {
        let mut lane = [Self { s: pi::S, p: pi::P, key, salt }];
        xor_keys(&mut lane);
        expand_key(&mut lane, salt);
        let [lane] = lane;
        lane
    }

    /// Encrypts bcrypt's constant text 64 times, and returns the result without its last byte.
    pub fn into_digest(self) -> Digest {
        let mut digest = [0; 24];
        let text = b"OrpheanBeholderScryDoubt";
        for (output, block) in digest.chunks_exact_mut(8).zip(text.chunks_exact(8)) {
            let mut block = u64::from_be_bytes(block.try_into().expect("a chunk has 8 bytes"));
            for _ in 0..64 {
                block = self.encrypt(block);
            }
            output.copy_from_slice(&block.to_be_bytes());
        }
        *digest.first_chunk().expect("23 is less than 24")
    }

    fn encrypt(&self, block: u64) -> u64 {
        let halves = [[(block >> 32) as u32], [block as u32]];
        let [[left], [right]] = encrypt(std::array::from_ref(self), halves, [0; 2]);
        u64::from(left) << 32 | u64::from(right)
    }
}

/// Maximum number of lanes.
pub const CAPACITY: usize = 6;

/// Mixes key and salt into every lane, `rounds` times.
///
/// # Panics
/// Panics if there are more than [`CAPACITY`] lanes.
pub fn advance(lanes: &mut [Lane], rounds: u32) {
    match lanes.len() {
        0 => {}
        1 => advance_all::<1>(lanes, rounds),
        2 => advance_all::<2>(lanes, rounds),
        3 => advance_all::<3>(lanes, rounds),
        4 => advance_all::<4>(lanes, rounds),
        5 => advance_all::<5>(lanes, rounds),
        _ => advance_all::<CAPACITY>(lanes, rounds),
    }
}

/// Mixes key and salt into `N` lanes, `rounds` times. `N` is a constant, so that the compiler
/// unrolls the loops over the lanes.
fn advance_all<const N: usize>(lanes: &mut [Lane], rounds: u32) {
    let lanes: &mut [Lane; N] = lanes.try_into().expect("at most CAPACITY lanes");
    for _ in 0..rounds {
        xor_keys(lanes);
        expand_key(lanes, [0; 4]);
        for lane in &mut *lanes {
            for (p, i) in lane.p.iter_mut().zip(0..) {
                *p ^= lane.salt[i % 4];
            }
        }
        expand_key(lanes, [0; 4]);
    }
}

fn xor_keys<const N: usize>(lanes: &mut [Lane; N]) {
    for lane in lanes {
        for (p, key) in lane.p.iter_mut().zip(lane.key.iter()) {
            *p ^= key;
        }
    }
}

/// Replaces the subkeys and S-boxes with the chained output of the cipher.
///
/// One half of `salt` is mixed into each block, alternately.
#[inline(always)]
fn expand_key<const N: usize>(lanes: &mut [Lane; N], salt: [u32; 4]) {
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
            // The subkeys took nine blocks, so the S-boxes start with the second half of the salt.
            block = encrypt(lanes, block, [salt[(i + 2) % 4], salt[(i + 2) % 4 + 1]]);
            for n in 0..N {
                lanes[n].s[s][i] = block[0][n];
                lanes[n].s[s][i + 1] = block[1][n];
            }
        }
    }
}

/// Encrypts one block in each lane, after mixing half a salt into it.
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
    // Written out, because in a loop six lanes take an eighth longer.
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

/// Runs two rounds of Blowfish, with the subkeys `i` and `i + 1`, in every lane.
///
/// A round waits for the round before it in the same lane: for a table look-up and four operations.
/// It does not wait for other lanes. The inner loops therefore run over the lanes, and a core
/// executes the rounds of all lanes at once.
#[inline(always)]
fn two_rounds<const N: usize>(
    lanes: &[Lane; N],
    left: &mut [u32; N],
    right: &mut [u32; N],
    i: usize,
) {
    for n in 0..N {
        // The subkey comes first: it is available before the look-ups are.
        right[n] = right[n] ^ lanes[n].p[i] ^ round_function(&lanes[n].s, left[n]);
    }
    for n in 0..N {
        left[n] = left[n] ^ lanes[n].p[i + 1] ^ round_function(&lanes[n].s, right[n]);
    }
}

/// Returns the value of Blowfish's round function F. Each index is a byte, so that the compiler
/// can omit the bounds checks.
#[inline(always)]
fn round_function(s: &[[u32; 256]; 4], half: u32) -> u32 {
    let byte = |shift: u32| usize::from((half >> shift) as u8);
    (s[0][byte(24)].wrapping_add(s[1][byte(16)]) ^ s[2][byte(8)]).wrapping_add(s[3][byte(0)])
}
