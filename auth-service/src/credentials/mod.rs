//! What proves the identity of a user: password hashes, and the bounded pool that computes them.

mod hash_job;
mod hash_pool;
mod password_hash;

pub use self::{
    hash_job::HashJob,
    hash_pool::{HashPool, HashPoolBusy, HashPoolMetrics, QueuePermit},
    password_hash::PasswordHash,
};
