//! What proves a user: password hashes, and the bounded pool that computes them.

pub mod hash_job;
pub mod hash_pool;
pub mod password_hash;
