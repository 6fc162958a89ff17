//! Computes several bcrypt hashes side by side in one thread, in little more time than one takes.
//!
//! bcrypt is a chain of table look-ups, and each look-up waits for the one before it. A single
//! hash therefore leaves most of a core idle. [`Lanes`] advances up to [`Lanes::CAPACITY`] hashes
//! in turn, so that each hash uses the time in which the others wait. Hashes may start at
//! different times and have different costs. A finished hash frees its lane for the next one.
//!
//! ```
//! use bcrypt_lanes::{Input, Lanes};
//!
//! let mut lanes = Lanes::default();
//! for (user, cost) in [("ada", 4), ("grace", 5)] {
//!     lanes.push(Input::new(b"correct horse", [7; 16], cost).unwrap(), user);
//! }
//! let mut finished = Vec::new();
//! while !lanes.is_empty() {
//!     finished.extend(lanes.advance(16).into_iter().map(|(user, _digest)| user));
//! }
//! assert_eq!(finished, ["ada", "grace"]);
//! ```

mod blowfish;
mod pi;

use std::{fmt, ops::RangeInclusive};

use blowfish::{Key, Lane, advance};
use zeroize::Zeroizing;

/// The result of a hash. bcrypt computes 24 bytes, and its text form leaves out the last one.
pub type Digest = [u8; 23];

/// The costs that bcrypt allows. Each step doubles the time of a hash.
pub const COSTS: RangeInclusive<u32> = 4..=31;

/// A password with its salt and cost, ready to be hashed.
///
/// `Debug` prints no content, and the password's bytes are overwritten on drop.
pub struct Input {
    key: Key,
    salt: [u32; 4],
    cost: u32,
}

impl Input {
    /// Creates an input with the rules of `$2b$`: a NUL byte is appended to the password, and
    /// only the first 72 bytes of the result count.
    ///
    /// Returns `None` if `cost` is not in [`COSTS`].
    pub fn new(password: &[u8], salt: [u8; 16], cost: u32) -> Option<Self> {
        if !COSTS.contains(&cost) {
            return None;
        }
        let mut bytes = password.iter().chain([&0]).take(72).cycle();
        let mut key = Key::new(Zeroizing::new([0; 18]));
        for word in key.iter_mut() {
            *word = bytes.by_ref().take(4).fold(0, |word, &byte| word << 8 | u32::from(byte));
        }
        let salt = u128::from_be_bytes(salt);
        Some(Self { key, salt: [96, 64, 32, 0].map(|shift| (salt >> shift) as u32), cost })
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input(redacted)")
    }
}

/// The hashes that are being computed, each with a tag of the caller's choice.
pub struct Lanes<T> {
    /// The cipher states. They are contiguous, and in the order of `progress`.
    lanes: Vec<Lane>,
    progress: Vec<Progress<T>>,
}

/// The caller's tag of a hash, and the number of rounds that the hash still needs.
struct Progress<T> {
    tag: T,
    rounds_left: u32,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: Vec::with_capacity(Self::CAPACITY),
            progress: Vec::with_capacity(Self::CAPACITY),
        }
    }
}

impl<T> Lanes<T> {
    /// Maximum number of hashes at a time. Each takes 4 KiB, and with more of them a core's
    /// first-level cache is too small, so that all hashes take longer.
    pub const CAPACITY: usize = blowfish::CAPACITY;

    /// Returns `true` if no hash is being computed.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Returns `true` if every lane is in use.
    pub fn is_full(&self) -> bool {
        self.lanes.len() >= Self::CAPACITY
    }

    /// Starts a hash. [`Lanes::advance`] returns `tag` with its digest.
    ///
    /// # Panics
    /// Panics if every lane is in use.
    pub fn push(&mut self, input: Input, tag: T) {
        assert!(!self.is_full(), "no lane is free");
        self.lanes.push(Lane::new(input.key, input.salt));
        self.progress.push(Progress { tag, rounds_left: 1 << input.cost });
    }

    /// Keeps the hashes for whose tag `keep` returns `true`, and abandons the others.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for i in (0..self.lanes.len()).rev() {
            if !keep(&self.progress[i].tag) {
                self.progress.swap_remove(i);
                self.lanes.swap_remove(i);
            }
        }
    }

    /// Advances every hash by at most `rounds` rounds, and stops when the first hash is finished.
    /// A hash has 2^cost rounds.
    ///
    /// Removes the finished hashes and returns their tags and digests.
    pub fn advance(&mut self, rounds: u32) -> Vec<(T, Digest)> {
        let rounds =
            self.progress.iter().map(|progress| progress.rounds_left).fold(rounds, u32::min);
        advance(&mut self.lanes, rounds);
        let mut finished = Vec::new();
        for i in (0..self.lanes.len()).rev() {
            self.progress[i].rounds_left -= rounds;
            if self.progress[i].rounds_left == 0 {
                let Progress { tag, .. } = self.progress.swap_remove(i);
                finished.push((tag, self.lanes.swap_remove(i).into_digest()));
            }
        }
        finished
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("busy", &self.lanes.len()).finish_non_exhaustive()
    }
}
