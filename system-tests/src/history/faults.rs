//! Injects the faults of a plan, and records when they were active.

mod redis;

use std::{
    sync::{Arc, mpsc},
    thread,
};

use test_support::{PostgresServer, Proxy};

pub use self::redis::{FaultyRedis, Persistence, redis_url};
use super::{
    plan::{DatabaseFault, Fault, FaultGroup, REPLICAS, ReplicaFault},
    record::{Disturbance, Moment, Recorder},
    world::World,
};
use crate::Deployment;

/// All parts of the system that fail.
pub struct FaultySystem {
    pub redis: FaultyRedis,
    pub database: FaultyDatabase,
    pub replicas: FaultyReplicas,
}

/// The database, and the proxy through which the replicas reach it.
pub struct FaultyDatabase {
    pub server: PostgresServer,
    pub proxy: Proxy,
    pub world: Arc<World>,
}

/// The replicas, and the URLs at which they reach Redis.
pub struct FaultyReplicas {
    pub deployment: Deployment,
    pub redis_urls: [String; REPLICAS],
    pub world: Arc<World>,
}

impl FaultySystem {
    /// Injects one group of faults after the other, until the sender of `is_done` is dropped.
    pub fn inject(&mut self, groups: &[FaultGroup], is_done: &mpsc::Receiver<()>) {
        let Self { redis, database, replicas } = self;
        redis.save();
        for group in groups {
            if is_done.recv_timeout(group.quiet) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            thread::scope(|scope| {
                scope.spawn(|| group.redis.iter().for_each(|fault| redis.inject(*fault)));
                scope.spawn(|| group.database.map(|fault| database.inject(fault)));
                scope.spawn(|| group.replica.map(|fault| replicas.inject(fault)));
            });
        }
    }
}

impl FaultyDatabase {
    fn inject(&self, fault: Fault<DatabaseFault>) {
        thread::sleep(fault.after);
        let from = self.world.recorder.now();
        let what = match fault.kind {
            DatabaseFault::Cut => {
                self.proxy.cut();
                thread::sleep(fault.lasts);
                self.proxy.restore();
                "the database is unreachable"
            }
            DatabaseFault::Crash => {
                self.server.stop();
                thread::sleep(fault.lasts);
                self.server.restart();
                "the database crashes"
            }
        };
        record_without_redis(&self.world.recorder, what.to_owned(), from, true);
    }
}

impl FaultyReplicas {
    fn inject(&mut self, fault: Fault<ReplicaFault>) {
        thread::sleep(fault.after);
        let from = self.world.recorder.now();
        let what = match fault.kind {
            ReplicaFault::Kill(replica) => {
                self.deployment.auth[replica].kill();
                self.world.balancer.remove(replica);
                thread::sleep(fault.lasts);
                let redis_url = ("REDIS_URL", self.redis_urls[replica].as_str());
                self.deployment.auth[replica] = self.deployment.start_replica(&[redis_url]);
                self.add_to_balancer(replica);
                format!("replica {replica} is killed")
            }
            ReplicaFault::Disconnect(replica) => {
                self.world.balancer.remove(replica);
                thread::sleep(fault.lasts);
                self.add_to_balancer(replica);
                format!("clients of replica {replica} are disconnected")
            }
        };
        record_without_redis(&self.world.recorder, what, from, false);
    }

    fn add_to_balancer(&self, replica: usize) {
        self.world.balancer.add(replica, self.deployment.auth[replica].addr(0));
    }
}

/// Records a fault that does not affect Redis.
fn record_without_redis(recorder: &Recorder, what: String, from: Moment, delays_requests: bool) {
    recorder.add_disturbance(Disturbance {
        what,
        from,
        until: recorder.now(),
        delays_requests,
        redis_away: None,
        loses_after: None,
    });
}
