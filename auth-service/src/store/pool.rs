//! The pool of connections, given up when they hang, and how much of it is in use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    connection::{Database, Failures, Manager, ReportTo},
    failure::reason,
};
use crate::health::{DependencyHealth, UnavailableReason};

/// The least time between two pools.
const RENEWAL: Duration = Duration::from_secs(10);

/// What a pool is made of.
#[derive(Clone)]
pub struct Plan {
    pub database: Database,
    pub connections: u32,
    pub timeout: Duration,
    pub failures: Failures,
    pub health: Arc<DependencyHealth>,
}

/// A pool.
pub struct Pool {
    connections: r2d2::Pool<Manager>,
    timeout: Duration,
    began: Instant,
    waiting: AtomicUsize,
}

/// How much of a pool is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub in_use: u32,
    pub idle: u32,
    /// As many as there may be.
    pub most: u32,
    /// How many requests wait for one.
    pub waiting: usize,
}

impl Pool {
    pub fn new(plan: &Plan) -> Self {
        let Plan { database, connections, timeout, failures, health } = plan;
        let manager = Manager { database: database.clone(), limit: *timeout, failures: Arc::clone(failures) };
        let connections = r2d2::Pool::builder()
            .max_size(*connections)
            // None is opened before the schema is there.
            .min_idle(Some(0))
            .connection_timeout(*timeout)
            // Costs no round trip unless a connection has failed since the last check.
            .test_on_check_out(true)
            .error_handler(Box::new(ReportTo { health: Arc::clone(health), limit: *timeout }))
            .build_unchecked(manager);
        Self { connections, timeout: *timeout, began: Instant::now(), waiting: AtomicUsize::new(0) }
    }

    /// Whether it is old enough to be left to itself.
    pub fn may_be_renewed(&self) -> bool {
        self.began.elapsed() >= RENEWAL
    }

    /// Waits for a connection.
    pub fn get(&self) -> Result<r2d2::PooledConnection<Manager>, (r2d2::Error, UnavailableReason)> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let got = self.connections.get();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        got.map_err(|why| {
            let usage = self.usage();
            // What follows a colon is why the last connection could not be opened.
            let reason = match why.to_string().split_once(": ") {
                Some((_, why)) => reason(why, self.timeout),
                None if usage.in_use == usage.most => {
                    UnavailableReason::PoolExhausted(usage.most, self.timeout)
                }
                None => UnavailableReason::ConnectTimeout(self.timeout),
            };
            (why, reason)
        })
    }

    pub fn usage(&self) -> Usage {
        let state = self.connections.state();
        Usage {
            in_use: state.connections.saturating_sub(state.idle_connections),
            idle: state.idle_connections,
            most: self.connections.max_size(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}
