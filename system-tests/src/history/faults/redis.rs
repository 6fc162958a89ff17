//! Faults of Redis.

use std::{sync::Arc, thread, time::Duration};

use test_support::{Proxy, RedisServer};

use crate::history::{
    plan::{Fault, REPLICAS, RedisFault},
    record::{Disturbance, Moment, RedisAway},
    world::World,
};

/// Maximum age of data that an append-only file may lack (`appendfsync everysec`), with a margin.
const UNWRITTEN: Duration = Duration::from_secs(3);
/// Time within which a replica notices that a connection hangs, and opens another.
const HANG_NOTICED: Duration = Duration::from_secs(4);

/// Data that Redis finds on its disk after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// An append-only file: everything except the last moments.
    AppendOnly,
    /// Snapshots: the data of the last `SAVE`.
    Snapshots,
}

/// Redis, and the proxies through which the replicas reach it.
pub struct FaultyRedis {
    pub server: RedisServer,
    pub proxies: [Proxy; REPLICAS],
    pub persistence: Persistence,
    /// Time of the last snapshot.
    pub saved_at: Moment,
    pub world: Arc<World>,
}

/// Returns the URL of the Redis behind a proxy.
pub fn redis_url(proxy: &Proxy) -> String {
    format!("redis://{}/", proxy.addr())
}

impl FaultyRedis {
    /// Starts a Redis with this persistence.
    pub fn start_server(persistence: Persistence) -> RedisServer {
        match persistence {
            Persistence::AppendOnly => RedisServer::start(),
            Persistence::Snapshots => RedisServer::start_with_snapshots(),
        }
    }

    /// Writes a snapshot, if Redis keeps data in snapshots.
    pub fn save(&mut self) {
        let now = self.world.recorder.now();
        if self.persistence == Persistence::Snapshots {
            self.server.command(&["SAVE"]).expect("a snapshot");
            self.saved_at = now;
        }
    }

    pub fn inject(&mut self, fault: Fault<RedisFault>) {
        let kind = match (fault.kind, self.persistence) {
            // Old data is worse for a replica than no data.
            (RedisFault::Wipe | RedisFault::Replace, Persistence::Snapshots) => {
                RedisFault::Crash { saves: false }
            }
            (kind, _) => kind,
        };
        if kind == (RedisFault::Crash { saves: true }) {
            self.save();
        }
        thread::sleep(fault.after);
        let from = self.world.recorder.now();
        let what = describe(kind);
        let loses_after = self.loses_after(kind, from);
        let redis_away = self.fail(kind, fault.lasts);
        let until = self.world.recorder.now();
        self.world.recorder.add_disturbance(Disturbance {
            what,
            from,
            until,
            delays_requests: true,
            redis_away,
            loses_after,
        });
    }

    /// Makes Redis fail, and recovers it after this time. Returns the period in which Redis
    /// certainly executed nothing.
    fn fail(&mut self, kind: RedisFault, lasts: Duration) -> Option<RedisAway> {
        match kind {
            RedisFault::Pause => {
                self.server.pause();
                let away = self.stay_away(None, lasts);
                self.server.unpause();
                Some(away)
            }
            RedisFault::Crash { .. } => Some(self.crash(lasts)),
            RedisFault::Replace => {
                self.server.wipe();
                Some(self.crash(lasts))
            }
            RedisFault::Wipe => {
                self.server.wipe();
                None
            }
            RedisFault::CutOff(replica) => {
                self.proxies[replica].cut();
                let away = self.stay_away(Some(replica), lasts);
                self.proxies[replica].restore();
                Some(away)
            }
            RedisFault::Hang(replica) => {
                self.proxies[replica].blackhole_open();
                thread::sleep(HANG_NOTICED);
                None
            }
        }
    }

    /// Returns the time after which Redis may have lost data, if a fault loses data.
    fn loses_after(&self, kind: RedisFault, now: Moment) -> Option<Moment> {
        match kind {
            RedisFault::Crash { .. } => Some(match self.persistence {
                Persistence::AppendOnly => now.saturating_sub(UNWRITTEN),
                Persistence::Snapshots => self.saved_at,
            }),
            RedisFault::Replace | RedisFault::Wipe => Some(Moment::ZERO),
            RedisFault::Pause | RedisFault::CutOff(_) | RedisFault::Hang(_) => None,
        }
    }

    fn crash(&mut self, lasts: Duration) -> RedisAway {
        self.server.stop();
        let away = self.stay_away(None, lasts);
        self.server.restart();
        away
    }

    fn stay_away(&self, replica: Option<usize>, lasts: Duration) -> RedisAway {
        let from = self.world.recorder.now();
        thread::sleep(lasts);
        RedisAway { replica, from, until: self.world.recorder.now() }
    }
}

fn describe(kind: RedisFault) -> String {
    match kind {
        RedisFault::Pause => "Redis is paused".into(),
        RedisFault::Crash { .. } => "Redis crashes".into(),
        RedisFault::Replace => "Redis is replaced by an empty one".into(),
        RedisFault::Wipe => "Redis is wiped".into(),
        RedisFault::CutOff(replica) => format!("replica {replica} cannot reach Redis"),
        RedisFault::Hang(replica) => format!("connections of replica {replica} to Redis hang"),
    }
}
