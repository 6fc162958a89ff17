//! The services by which users prove their identity.

use service_kit::{CommandError, connection_limits::cores};
use shared::clock::Clock;

use super::settings::throttle_limits;
use crate::{
    config::{RedisSettings, Settings},
    credentials::{HashPool, HashPoolMetrics, Passwords},
    keys::Secret,
    redis::Server,
    throttle::Throttle,
};

/// The services by which users prove their identity.
pub struct Proofs {
    pub passwords: Passwords,
    pub throttle: Throttle,
}

impl Proofs {
    /// Starts the threads of the hash pool.
    ///
    /// # Errors
    /// One line for the operator, if the system refuses to start a thread.
    pub fn start(
        settings: &Settings,
        metrics: HashPoolMetrics,
        redis: Option<Server>,
        secret: &Secret,
        clock: &Clock,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            passwords: passwords(settings, metrics, secret)?,
            throttle: throttle(settings, redis, secret, clock),
        })
    }
}

fn throttle(
    settings: &Settings,
    redis: Option<Server>,
    secret: &Secret,
    clock: &Clock,
) -> Throttle {
    let limits = throttle_limits(settings);
    let RedisSettings { key_prefix, timeout, .. } = &settings.redis;
    let redis = redis.map(|server| (server, key_prefix.as_str(), *timeout));
    Throttle::new(limits, secret.throttle_key(), redis, clock.clone())
}

fn passwords(
    settings: &Settings,
    metrics: HashPoolMetrics,
    secret: &Secret,
) -> Result<Passwords, CommandError> {
    let threads = settings.hash_threads.map_or_else(cores, usize::from);
    let pool = HashPool::start(threads, settings.hash_queue.into(), metrics);
    let pool = pool.map_err(|why| {
        CommandError::new(format!("cannot start threads for hashing (HASH_THREADS): {why}"))
    })?;
    Ok(Passwords::new(pool, settings.bcrypt_cost, secret.dummy_hash_key()))
}
