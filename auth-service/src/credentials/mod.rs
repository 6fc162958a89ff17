//! What proves the identity of a user: password hashes, and the bounded pool that computes them.

mod argon2_hash;
mod hash_job;
mod hash_kind;
mod hash_mix;
mod hash_pool;
mod imported_hash;
mod password_hash;
mod passwords;
mod pbkdf2_hash;
mod scrypt_hash;

pub use self::{
    hash_job::HashJob,
    hash_mix::HashMix,
    hash_pool::{HashPool, HashPoolBusy, HashPoolMetrics},
    imported_hash::{ImportedHash, ResetReason},
    password_hash::PasswordHash,
    passwords::{Passwords, Verification},
};
