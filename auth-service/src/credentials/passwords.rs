//! Hashing and verification of passwords, in the bounded pool.

use super::{
    hash_job::HashJob,
    hash_pool::{HashPool, HashPoolBusy, QueuePermit},
    password_hash::PasswordHash,
};
use crate::domain::password::Password;

/// Hashes and verifies passwords at one cost.
#[derive(Clone, Debug)]
pub struct Passwords {
    pool: HashPool,
    cost: u32,
}

/// Outcome of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The password is wrong, or there is no stored hash.
    Wrong,
    /// The password is right, and its hash is current.
    Right,
    /// The password is right, and its hash is of an older kind or cost: this hash replaces it.
    RightWithNewHash(PasswordHash),
}

impl Passwords {
    pub fn new(pool: HashPool, cost: u32) -> Self {
        Self { pool, cost }
    }

    /// Waits for a place in the queue of the pool. What a hash needs is read after this, so that a
    /// flood is kept from the database too.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if there is none within a second.
    pub async fn queue(&self) -> Result<QueuePermit, HashPoolBusy> {
        self.pool.acquire().await
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if the job panicked.
    pub async fn hash(
        &self,
        permit: QueuePermit,
        password: &Password,
    ) -> Result<PasswordHash, HashPoolBusy> {
        self.pool.run(permit, PasswordHash::hash(password, self.cost)).await
    }

    /// Verifies a password at login. The work is the same for an unknown user (`stored` is `None`),
    /// a wrong password and an older hash, so that the time tells none of them.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if the job panicked.
    pub async fn verify(
        &self,
        permit: QueuePermit,
        stored: Option<&PasswordHash>,
        password: Password,
    ) -> Result<Verification, HashPoolBusy> {
        let cost = self.cost;
        let is_known = stored.is_some();
        let hash = stored.cloned().unwrap_or_else(|| PasswordHash::dummy_hash(cost));
        let job = hash.verify_at_cost(&password, cost).then(move |matches| match matches {
            true if is_known && !hash.is_current(cost) => {
                PasswordHash::hash(&password, cost).map(Verification::RightWithNewHash)
            }
            true if is_known => HashJob::Done(Verification::Right),
            _ => HashJob::Done(Verification::Wrong),
        });
        self.pool.run(permit, job).await
    }

    /// Verifies the current password of an authenticated user and hashes the next. Returns `None`
    /// if the current password is wrong.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if the job panicked.
    pub async fn replace(
        &self,
        permit: QueuePermit,
        stored: &PasswordHash,
        current: &Password,
        next: Password,
    ) -> Result<Option<PasswordHash>, HashPoolBusy> {
        let cost = self.cost;
        let job = stored.verify(current).then(move |matches| match matches {
            true => PasswordHash::hash(&next, cost).map(Some),
            false => HashJob::Done(None),
        });
        self.pool.run(permit, job).await
    }
}
