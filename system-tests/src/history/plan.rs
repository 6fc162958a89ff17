//! The plan of a history: everything that a seed decides.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use super::record::EndMethod;

/// Number of clients.
pub const CLIENTS: usize = 8;
/// Number of replicas.
pub const REPLICAS: usize = 2;

/// What the clients do and what fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Steps of each client.
    pub clients: Vec<Vec<Step>>,
    /// Faults, one group after the other until the clients have finished.
    pub faults: Vec<FaultGroup>,
}

/// One step of a client. If the action is not possible at that time, the client does a similar one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// The replica that the client sends the request to.
    pub replica: usize,
    /// A number that selects a session and a token from the possible ones.
    pub pick: usize,
    /// Time the client waits before the action.
    pub pause: Duration,
    /// Time the client waits after an answer of 503.
    pub backoff: Duration,
    /// Whether the client waits until a request without an answer can no longer have an effect.
    pub is_careful: bool,
}

/// Action of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Logs in.
    Login,
    /// Presents the newest token.
    Refresh,
    /// Presents the newest token this many times concurrently, at all replicas.
    RefreshConcurrently(usize),
    /// Presents the token before the newest, as if the last answer was lost.
    Retry,
    /// Presents a token whose successor was used.
    Replay,
    /// Presents the newest token, and then leaves the session alone for longer than the grace
    /// period.
    Rest,
    /// Presents the token before the newest of a session after `Rest`.
    ReplayRested,
    /// Presents a token of an ended session.
    UseEnded,
    /// Ends a session.
    End(EndMethod),
    /// Ends all sessions of the user.
    EndAll,
}

/// Faults at about the same time, after a period without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultGroup {
    /// Length of the period without faults.
    pub quiet: Duration,
    /// Faults of Redis, one after the other.
    pub redis: Vec<Fault<RedisFault>>,
    /// A fault of the database.
    pub database: Option<Fault<DatabaseFault>>,
    /// A fault of a replica.
    pub replica: Option<Fault<ReplicaFault>>,
}

/// A fault and its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<T> {
    /// Kind of fault.
    pub kind: T,
    /// Time since the group began, or since the previous fault of Redis was over.
    pub after: Duration,
    /// Time until the fault is over.
    pub lasts: Duration,
}

/// Fault of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisFault {
    /// Redis executes nothing, and keeps its connections open.
    Pause,
    /// Redis is killed, and comes back with the data on its disk.
    Crash {
        /// Whether Redis saves shortly before, if Redis keeps data only at `SAVE`.
        saves: bool,
    },
    /// Redis is killed, and comes back without data.
    Replace,
    /// Redis loses all data.
    Wipe,
    /// This replica cannot reach Redis.
    CutOff(usize),
    /// The open connections from this replica to Redis lose all bytes, and new ones work, as after
    /// a failover.
    Hang(usize),
}

/// Fault of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseFault {
    /// No replica can reach the database.
    Cut,
    /// The database is killed and restarted.
    Crash,
}

/// Fault of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaFault {
    /// The replica is killed, and a new one takes its place.
    Kill(usize),
    /// The connections of the replica's clients break.
    Disconnect(usize),
}

impl Plan {
    /// Returns the plan of a seed, with this many steps for each client.
    pub fn from_seed(seed: u64, steps: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clients = (0..CLIENTS)
            .map(|_| {
                let mut rng = rng.fork();
                (0..steps).map(|_| step(&mut rng)).collect()
            })
            .collect();
        // More groups than a history has time for.
        let faults = (0..1000).map(|_| fault_group(&mut rng)).collect();
        Self { clients, faults }
    }
}

fn step(rng: &mut Rng) -> Step {
    let action = match rng.u32(0..1000) {
        0..50 => Action::Login,
        50..130 => Action::RefreshConcurrently(rng.usize(2..5)),
        130..220 => Action::Retry,
        220..228 => Action::Replay,
        228..243 => Action::Rest,
        243..258 => Action::ReplayRested,
        258..408 => Action::UseEnded,
        408..417 => Action::End(EndMethod::Logout),
        417..420 => Action::End(EndMethod::RevokeRefresh),
        420..423 => Action::End(EndMethod::RevokeAccess),
        423..426 => Action::End(EndMethod::Delete),
        426..427 => Action::EndAll,
        _ => Action::Refresh,
    };
    Step {
        action,
        replica: rng.usize(0..REPLICAS),
        pick: rng.usize(..),
        pause: if rng.u8(0..10) < 3 { millis(rng, 1..50) } else { Duration::ZERO },
        backoff: millis(rng, 100..400),
        is_careful: rng.u8(0..10) < 8,
    }
}

fn fault_group(rng: &mut Rng) -> FaultGroup {
    let database = if rng.bool() { DatabaseFault::Cut } else { DatabaseFault::Crash };
    let replica = rng.usize(0..REPLICAS);
    let replica = match rng.bool() {
        true => ReplicaFault::Kill(replica),
        false => ReplicaFault::Disconnect(replica),
    };
    // One period in six is long enough for every replica to learn of every change.
    let is_long = rng.u8(0..6) == 0;
    FaultGroup {
        quiet: if is_long { millis(rng, 4500..6000) } else { millis(rng, 50..1500) },
        redis: (0..rng.usize(1..4)).map(|_| redis_fault(rng)).collect(),
        database: sometimes(rng, 30, database),
        replica: sometimes(rng, 50, replica),
    }
}

fn redis_fault(rng: &mut Rng) -> Fault<RedisFault> {
    let kind = match rng.u32(0..100) {
        0..25 => RedisFault::Pause,
        25..50 => RedisFault::Crash { saves: rng.bool() },
        50..60 => RedisFault::Replace,
        60..80 => RedisFault::Wipe,
        80..92 => RedisFault::CutOff(rng.usize(0..REPLICAS)),
        _ => RedisFault::Hang(rng.usize(0..REPLICAS)),
    };
    let mut fault = fault(rng, kind);
    if kind == RedisFault::Pause && rng.bool() {
        // Longer than any replica waits: Redis must not execute these commands after the pause.
        fault.lasts = millis(rng, 1300..2700);
    }
    fault
}

/// Returns a fault with this probability in percent.
fn sometimes<T>(rng: &mut Rng, percent: u32, kind: T) -> Option<Fault<T>> {
    let fault = fault(rng, kind);
    (rng.u32(0..100) < percent).then_some(fault)
}

fn fault<T>(rng: &mut Rng, kind: T) -> Fault<T> {
    let lasts = if rng.bool() { millis(rng, 1..300) } else { millis(rng, 300..2700) };
    Fault { kind, after: millis(rng, 0..1000), lasts }
}

fn millis(rng: &mut Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_plan() {
        assert_eq!(Plan::from_seed(7, 100), Plan::from_seed(7, 100));
        assert_ne!(Plan::from_seed(7, 100), Plan::from_seed(8, 100));
    }
}
