//! What proves the identity of a user: password hashes, and the bounded pool that computes them.

mod hash_job;
mod hash_kind;
mod hash_mix;
mod hash_pool;
mod password_hash;
mod passwords;

pub use self::{
    hash_job::HashJob,
    hash_mix::HashMix,
    hash_pool::{HashPool, HashPoolBusy, HashPoolMetrics},
    password_hash::PasswordHash,
    passwords::{Passwords, Verification},
};
