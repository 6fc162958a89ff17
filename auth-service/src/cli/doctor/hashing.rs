//! The time that a password hash takes on this machine.

use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::{
    config::Settings,
    credentials::{HashPool, HashPoolMetrics, PasswordHash},
    domain::{address::AddressPrefix, password::Password},
};

/// Time of a hash from which logins are slow.
const SLOW: Duration = Duration::from_secs(1);

/// Measures one hash.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    let Ok(password) = Password::parse("a password to measure".into()) else { return Vec::new() };
    let Ok(pool) = HashPool::start(1, 1, HashPoolMetrics::default()) else { return Vec::new() };
    let job = PasswordHash::hash(&password, settings.bcrypt_cost);
    let began = Instant::now();
    let hashed = match pool.acquire(AddressPrefix::Unknown).await {
        Ok(permit) => pool.run(permit, job).await,
        Err(busy) => Err(busy),
    };
    if hashed.is_err() {
        return vec![Finding::wrong("hashing", "a hash failed", "See the log above.")];
    }
    let took = began.elapsed();
    let cost = settings.bcrypt_cost;
    let state = format!("a hash of cost {cost} takes {} ms of a core", took.as_millis());
    vec![if took < SLOW {
        Finding::fine("hashing", state)
    } else {
        let remedy = "Set BCRYPT_COST lower, or use faster cores: each login takes this long.";
        Finding::advice("hashing", state, remedy)
    }]
}
