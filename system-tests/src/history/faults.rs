//! Breaks what the plan says, mends it, and writes down when it was broken.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use test_support::{PostgresServer, Proxy, RedisServer};

use super::{
    ask::World,
    plan::{DatabaseFault, Fault, REPLICAS, RedisFault, ReplicaFault, Storm},
    record::{Away, Disturbance, Moment},
    run::{Doors, Memory},
};
use crate::Deployment;

/// What an append-only file may lack: it is written at least this often (`appendfsync everysec`).
const UNWRITTEN: Duration = Duration::from_secs(3);
/// Within this a replica notices that a connection hangs, and opens another.
const NOTICED: Duration = Duration::from_secs(4);

/// All that breaks.
pub struct Breakable {
    pub redis: BreakableRedis,
    pub database: PostgresServer,
    pub database_link: Proxy,
    pub deployment: Deployment,
    pub world: Arc<World>,
}

/// Redis, and what the replicas reach it by.
pub struct BreakableRedis {
    pub server: RedisServer,
    pub links: [Proxy; REPLICAS],
    pub memory: Memory,
    /// When it last wrote a snapshot.
    pub saved_at: Moment,
    pub world: Arc<World>,
}

impl Breakable {
    /// One storm after the other, until the sender is dropped.
    pub fn go_through(&mut self, storms: &[Storm], is_done: &mpsc::Receiver<()>) {
        let Self { redis, database, database_link, deployment, world } = self;
        let (doors, urls) = (&world.doors, redis.links.each_ref().map(redis_url));
        redis.save();
        for storm in storms {
            if is_done.recv_timeout(storm.calm) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            thread::scope(|scope| {
                scope.spawn(|| storm.redis.iter().for_each(|fault| redis.suffer(*fault)));
                scope.spawn(|| {
                    storm.database.map(|fault| suffer_database(doors, database, database_link, fault))
                });
                scope.spawn(|| storm.replica.map(|fault| suffer_replica(doors, deployment, &urls, fault)));
            });
        }
    }
}

/// The address of a proxy, as a URL for Redis.
pub fn redis_url(link: &Proxy) -> String {
    format!("redis://{}/", link.addr())
}

impl BreakableRedis {
    fn suffer(&mut self, fault: Fault<RedisFault>) {
        let suffers = match (fault.what, self.memory) {
            // To come back with old data is worse than with none.
            (RedisFault::Wipe | RedisFault::Replace, Memory::Snapshots) => RedisFault::Crash { saves: false },
            (what, _) => what,
        };
        if suffers == (RedisFault::Crash { saves: true }) {
            self.save();
        }
        thread::sleep(fault.after);
        let from = self.world.doors.now();
        let (what, away, loses_after) = match suffers {
            RedisFault::Pause => {
                self.server.pause();
                let away = self.away(None, fault.lasts);
                self.server.unpause();
                ("Redis stands still".to_owned(), Some(away), None)
            }
            RedisFault::Crash { .. } => {
                let away = self.crash(fault.lasts);
                let kept = match self.memory {
                    Memory::AppendOnly => from.saturating_sub(UNWRITTEN),
                    Memory::Snapshots => self.saved_at,
                };
                ("Redis crashes".to_owned(), Some(away), Some(kept))
            }
            RedisFault::Replace => {
                self.server.wipe();
                let away = self.crash(fault.lasts);
                ("Redis is replaced by an empty one".to_owned(), Some(away), Some(Moment::ZERO))
            }
            RedisFault::Wipe => {
                self.server.wipe();
                ("Redis is wiped".to_owned(), None, Some(Moment::ZERO))
            }
            RedisFault::CutOff(replica) => {
                self.links[replica].cut();
                let away = self.away(Some(replica), fault.lasts);
                self.links[replica].restore();
                (format!("Redis is out of reach for replica {replica}"), Some(away), None)
            }
            RedisFault::Hang(replica) => {
                self.links[replica].blackhole_open();
                thread::sleep(NOTICED);
                (format!("what replica {replica} says to Redis is swallowed"), None, None)
            }
        };
        let until = self.world.doors.now();
        self.world.doors.write_down_broken(Disturbance {
            what,
            from,
            until,
            holds_up: true,
            away,
            loses_after,
        });
    }

    fn crash(&mut self, lasts: Duration) -> Away {
        self.server.stop();
        let away = self.away(None, lasts);
        self.server.restart();
        away
    }

    fn away(&self, replica: Option<usize>, lasts: Duration) -> Away {
        let from = self.world.doors.now();
        thread::sleep(lasts);
        Away { replica, from, until: self.world.doors.now() }
    }

    fn save(&mut self) {
        let now = self.world.doors.now();
        if self.memory == Memory::Snapshots {
            self.server.command(&["SAVE"]).expect("a snapshot");
            self.saved_at = now;
        }
    }
}

fn suffer_database(doors: &Doors, server: &PostgresServer, link: &Proxy, fault: Fault<DatabaseFault>) {
    thread::sleep(fault.after);
    let from = doors.now();
    let what = match fault.what {
        DatabaseFault::Cut => {
            link.cut();
            thread::sleep(fault.lasts);
            link.restore();
            "the database is out of reach"
        }
        DatabaseFault::Crash => {
            server.stop();
            thread::sleep(fault.lasts);
            server.restart();
            "the database crashes"
        }
    };
    write_down(doors, what.to_owned(), from, true);
}

fn suffer_replica(
    doors: &Doors,
    deployment: &mut Deployment,
    redis_urls: &[String],
    fault: Fault<ReplicaFault>,
) {
    thread::sleep(fault.after);
    let from = doors.now();
    let what = match fault.what {
        ReplicaFault::Kill(replica) => {
            deployment.auth[replica].kill();
            doors.close(replica);
            thread::sleep(fault.lasts);
            deployment.auth[replica] = deployment.replica(&[("REDIS_URL", &redis_urls[replica])]);
            doors.lead(replica, deployment.auth[replica].addr(0));
            format!("replica {replica} is killed")
        }
        ReplicaFault::Disconnect(replica) => {
            doors.close(replica);
            thread::sleep(fault.lasts);
            doors.lead(replica, deployment.auth[replica].addr(0));
            format!("clients of replica {replica} are disconnected")
        }
    };
    write_down(doors, what, from, false);
}

/// Nothing that Redis has to do with.
fn write_down(doors: &Doors, what: String, from: Moment, holds_up: bool) {
    let until = doors.now();
    doors.write_down_broken(Disturbance { what, from, until, holds_up, away: None, loses_after: None });
}
