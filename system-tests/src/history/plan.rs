//! What is going to happen, as far as a seed can decide: what each client does step by step, and what breaks when.

use std::time::Duration;

use fastrand::Rng;

use super::record::Way;

/// How many clients there are.
pub const CLIENTS: usize = 8;
/// How many replicas.
pub const REPLICAS: usize = 2;

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps of each client.
    pub clients: Vec<Vec<Step>>,
    /// What breaks, one after the other, until the clients are done.
    pub storms: Vec<Storm>,
}

/// What a client does next. Where that makes no sense at the time, it does something like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// Asking whom.
    pub replica: usize,
    /// Which of the sessions, and of the tokens, that come into question.
    pub pick: usize,
    /// How long it waits first.
    pub pause: Duration,
    /// How long it waits afterwards if it was answered 503.
    pub patience: Duration,
    /// Whether a session is left alone until nothing is at work any more that nobody got an answer to.
    pub careful: bool,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Logs in.
    Login,
    /// Presents the newest token.
    Refresh,
    /// Presents the newest token this often at once, at every replica.
    Together(usize),
    /// Presents the newest token's parent, as if its answer had been lost.
    Retry,
    /// Presents a token whose child was used.
    Replay,
    /// Presents the newest token, and leaves the session alone for longer than the grace period.
    Rest,
    /// Presents the newest token's parent after that.
    ReplayRested,
    /// Presents any token of a session that is over.
    UseEnded,
    /// Ends a session.
    End(Way),
    /// Ends all sessions of the user.
    EndAll,
}

/// Things that break at about the same time, after a while in which nothing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How long nothing breaks.
    pub calm: Duration,
    /// What becomes of Redis, one after the other.
    pub redis: Vec<Fault<RedisFault>>,
    /// What becomes of the database.
    pub database: Option<Fault<DatabaseFault>>,
    /// What becomes of a replica.
    pub replica: Option<Fault<ReplicaFault>>,
}

/// Something that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<T> {
    /// What.
    pub what: T,
    /// How long after the storm began, or after the last one.
    pub after: Duration,
    /// How long it stays so.
    pub lasts: Duration,
}

/// What Redis may suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisFault {
    /// It stands still.
    Pause,
    /// It is killed, and comes back with what it has on its disk.
    Crash {
        /// Where it writes to it only when it is told to: whether it was told to shortly before.
        saves: bool,
    },
    /// It is killed, and comes back with nothing.
    Replace,
    /// It loses everything.
    Wipe,
    /// This replica does not reach it.
    CutOff(usize),
    /// The connections that this replica has to it swallow everything, and new ones do not: how a failover looks.
    Hang(usize),
}

/// What the database may suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseFault {
    /// Nobody reaches it.
    Cut,
    /// It is killed, and started again.
    Crash,
}

/// What a replica may suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaFault {
    /// It is killed, and another takes its place.
    Kill(usize),
    /// Its clients' connections break.
    Disconnect(usize),
}

impl Plan {
    /// The plan that this seed stands for, with this many steps for each client.
    pub fn from_seed(seed: u64, steps: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clients = (0..CLIENTS)
            .map(|_| {
                let mut rng = rng.fork();
                (0..steps).map(|_| step(&mut rng)).collect()
            })
            .collect();
        // More than there is time for.
        let storms = (0..1000).map(|_| storm(&mut rng)).collect();
        Self { clients, storms }
    }
}

fn step(rng: &mut Rng) -> Step {
    let action = match rng.u32(0..1000) {
        0..50 => Action::Login,
        50..130 => Action::Together(rng.usize(2..5)),
        130..220 => Action::Retry,
        220..228 => Action::Replay,
        228..243 => Action::Rest,
        243..258 => Action::ReplayRested,
        258..408 => Action::UseEnded,
        408..417 => Action::End(Way::Logout),
        417..420 => Action::End(Way::RevokeRefresh),
        420..423 => Action::End(Way::RevokeAccess),
        423..426 => Action::End(Way::Delete),
        426..427 => Action::EndAll,
        _ => Action::Refresh,
    };
    Step {
        action,
        replica: rng.usize(0..REPLICAS),
        pick: rng.usize(..),
        pause: if rng.u8(0..10) < 3 { millis(rng, 1..50) } else { Duration::ZERO },
        patience: millis(rng, 100..400),
        careful: rng.u8(0..10) < 8,
    }
}

fn storm(rng: &mut Rng) -> Storm {
    let database = if rng.bool() { DatabaseFault::Cut } else { DatabaseFault::Crash };
    let replica = rng.usize(0..REPLICAS);
    let replica = if rng.bool() { ReplicaFault::Kill(replica) } else { ReplicaFault::Disconnect(replica) };
    Storm {
        // Now and then long enough for everybody to know everything.
        calm: if rng.u8(0..6) == 0 { millis(rng, 4500..6000) } else { millis(rng, 50..1500) },
        redis: (0..rng.usize(1..4)).map(|_| fault_of_redis(rng)).collect(),
        database: maybe(rng, 30, database),
        replica: maybe(rng, 50, replica),
    }
}

fn fault_of_redis(rng: &mut Rng) -> Fault<RedisFault> {
    let what = match rng.u32(0..100) {
        0..25 => RedisFault::Pause,
        25..50 => RedisFault::Crash { saves: rng.bool() },
        50..60 => RedisFault::Replace,
        60..80 => RedisFault::Wipe,
        80..92 => RedisFault::CutOff(rng.usize(0..REPLICAS)),
        _ => RedisFault::Hang(rng.usize(0..REPLICAS)),
    };
    let mut fault = fault(rng, what);
    if what == RedisFault::Pause && rng.bool() {
        // Longer than anybody waits: what it was asked meanwhile must not be carried out.
        fault.lasts = millis(rng, 1300..2700);
    }
    fault
}

/// The fault, in so many of a hundred cases.
fn maybe<T>(rng: &mut Rng, percent: u32, what: T) -> Option<Fault<T>> {
    let fault = fault(rng, what);
    (rng.u32(0..100) < percent).then_some(fault)
}

fn fault<T>(rng: &mut Rng, what: T) -> Fault<T> {
    let lasts = if rng.bool() { millis(rng, 1..300) } else { millis(rng, 300..2700) };
    Fault { what, after: millis(rng, 0..1000), lasts }
}

fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_plan() {
        assert_eq!(Plan::from_seed(7, 100), Plan::from_seed(7, 100));
        assert_ne!(Plan::from_seed(7, 100), Plan::from_seed(8, 100));
    }
}
