//! Several bcrypt hashes in one thread, in little more time than one takes.
//!
//! bcrypt is a chain of look-ups, each of which waits for the one before it: a single hash leaves most of a core idle.
//! [`Lanes`] advances up to [`Lanes::CAPACITY`] hashes in turn, and each fills the waits of the others. They need not
//! begin together nor cost the same: one that is done makes room for another.
//!
//! ```
//! use bcrypt_lanes::{Input, Lanes};
//!
//! let mut lanes = Lanes::default();
//! for (name, cost) in [("ada", 4), ("grace", 5)] {
//!     lanes.push(Input::new(b"correct horse", [7; 16], cost).unwrap(), name);
//! }
//! let mut done = Vec::new();
//! while !lanes.is_empty() {
//!     done.extend(lanes.advance(16).into_iter().map(|(name, _sum)| name));
//! }
//! assert_eq!(done, ["ada", "grace"]);
//! ```

mod blowfish;
mod pi;

use std::{fmt, ops::RangeInclusive};

use blowfish::{Key, Lane, advance};
use zeroize::Zeroizing;

/// What a hash comes to: 23 bytes, for bcrypt's text leaves out the last one.
pub type Sum = [u8; 23];

/// The costs there are. Each step doubles the time.
pub const COSTS: RangeInclusive<u32> = 4..=31;

/// What is to be hashed. Never printed, and overwritten when it has been used.
pub struct Input {
    key: Key,
    salt: [u32; 4],
    cost: u32,
}

impl Input {
    /// A password, as `$2b$` takes it: a NUL follows it, and of both no more than 72 bytes count. `None` if there is no
    /// such cost.
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

/// Hashes that are being computed, each with a name to know it by.
pub struct Lanes<T> {
    // In the order of `names`, and next to each other.
    lanes: Vec<Lane>,
    names: Vec<(T, u32)>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: Vec::with_capacity(Self::CAPACITY), names: Vec::with_capacity(Self::CAPACITY) }
    }
}

impl<T> Lanes<T> {
    /// With more, which have 4 KiB each, a core's nearest cache gets too small, and all take longer.
    pub const CAPACITY: usize = blowfish::CAPACITY;

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whether there is room for no more.
    pub fn is_full(&self) -> bool {
        self.lanes.len() >= Self::CAPACITY
    }

    /// Begins a hash. There must be room for it.
    pub fn push(&mut self, input: Input, name: T) {
        assert!(!self.is_full(), "no lane is free");
        self.lanes.push(Lane::new(input.key, input.salt));
        self.names.push((name, 1 << input.cost));
    }

    /// Gives up the hashes that are not to be kept.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&T) -> bool) {
        for i in (0..self.lanes.len()).rev() {
            if !is_kept(&self.names[i].0) {
                self.names.swap_remove(i);
                self.lanes.swap_remove(i);
            }
        }
    }

    /// Advances every hash by so many rounds, of which one has 2^cost, or until the first is done. Those that are done
    /// leave.
    pub fn advance(&mut self, rounds: u32) -> Vec<(T, Sum)> {
        let rounds = self.names.iter().map(|(_, left)| *left).fold(rounds, u32::min);
        advance(&mut self.lanes, rounds);
        let mut done = Vec::new();
        for i in (0..self.lanes.len()).rev() {
            self.names[i].1 -= rounds;
            if self.names[i].1 == 0 {
                let (name, _) = self.names.swap_remove(i);
                done.push((name, self.lanes.swap_remove(i).sum()));
            }
        }
        done
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("busy", &self.lanes.len()).finish_non_exhaustive()
    }
}
