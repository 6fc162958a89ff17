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
    pub redis: RedisServer,
    /// What the replicas reach it by.
    pub redis_links: [Proxy; REPLICAS],
    pub database: PostgresServer,
    pub database_link: Proxy,
    pub deployment: Deployment,
    pub memory: Memory,
    /// When Redis last wrote a snapshot.
    pub saved_at: Moment,
    pub world: Arc<World>,
}

impl Breakable {
    /// One storm after the other, until the sender is dropped.
    pub fn go_through(&mut self, storms: &[Storm], is_done: &mpsc::Receiver<()>) {
        for storm in storms {
            if is_done.recv_timeout(storm.calm) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            let urls: Vec<String> = (0..REPLICAS).map(|replica| self.redis_url_of(replica)).collect();
            let doors = &self.world.doors;
            let mut redis = RedisState {
                server: &mut self.redis,
                links: &self.redis_links,
                memory: self.memory,
                saved_at: &mut self.saved_at,
                doors,
            };
            let (database, link, deployment) = (&self.database, &self.database_link, &mut self.deployment);
            thread::scope(|scope| {
                scope.spawn(move || storm.redis.iter().for_each(|fault| redis.suffer(*fault)));
                if let Some(fault) = storm.database {
                    scope.spawn(move || suffer_database(doors, database, link, fault));
                }
                if let Some(fault) = storm.replica {
                    let urls = &urls;
                    scope.spawn(move || suffer_replica(doors, deployment, urls, fault));
                }
            });
        }
    }
}

struct RedisState<'a> {
    server: &'a mut RedisServer,
    links: &'a [Proxy; REPLICAS],
    memory: Memory,
    saved_at: &'a mut Moment,
    doors: &'a Doors,
}

impl RedisState<'_> {
    fn suffer(&mut self, fault: Fault<RedisFault>) {
        if let RedisFault::Crash { saves: true } = fault.what {
            self.save();
        }
        thread::sleep(fault.after);
        let from = self.doors.now();
        let (what, away, loses_after) = match fault.what {
            RedisFault::Pause => {
                self.server.pause();
                let away = self.away(None, fault.lasts);
                self.server.go_on();
                ("Redis stands still".to_owned(), Some(away), None)
            }
            RedisFault::Crash { .. } => {
                let away = self.crash(fault.lasts);
                let kept = match self.memory {
                    Memory::AppendOnly => from.saturating_sub(UNWRITTEN),
                    Memory::Snapshots => *self.saved_at,
                };
                ("Redis crashes".to_owned(), Some(away), Some(kept))
            }
            RedisFault::Replace => {
                self.server.wipe();
                self.save();
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
                self.links[replica].mend();
                (format!("Redis is out of reach for replica {replica}"), Some(away), None)
            }
            RedisFault::Hang(replica) => {
                self.links[replica].freeze();
                thread::sleep(NOTICED);
                (format!("what replica {replica} says to Redis is swallowed"), None, None)
            }
        };
        let until = self.doors.now();
        self.doors.write_down_broken(Disturbance { what, from, until, holds_up: true, away, loses_after });
    }

    fn crash(&mut self, lasts: Duration) -> Away {
        self.server.stop();
        let away = self.away(None, lasts);
        self.server.resume();
        away
    }

    fn away(&self, replica: Option<usize>, lasts: Duration) -> Away {
        let from = self.doors.now();
        thread::sleep(lasts);
        Away { replica, from, until: self.doors.now() }
    }

    fn save(&mut self) {
        let now = self.doors.now();
        if self.memory == Memory::Snapshots {
            self.server.command(&["SAVE"]).expect("a snapshot");
            *self.saved_at = now;
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
            link.mend();
            "the database is out of reach"
        }
        DatabaseFault::Crash => {
            server.stop();
            thread::sleep(fault.lasts);
            server.resume();
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
