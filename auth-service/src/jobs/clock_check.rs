//! Comparison of this replica's clock with the database's, which all replicas share.
//!
//! A replica whose clock is wrong issues tokens that verifiers refuse, accepts tokens that have
//! expired, and forgets revocations too early.

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use shared::clock::Clock;
use tokio::sync::watch;

use crate::{
    health::UnavailableReason,
    store::{Store, server_clock},
};

/// Time between two comparisons.
const INTERVAL: Duration = Duration::from_secs(5);
/// Time between two attempts until the first comparison.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// What the last comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// The database has not answered yet.
    Pending,
    /// The clocks agree, or the database has no clock of its own.
    Agree,
    /// This replica's clock is ahead of the database's by this many milliseconds, or behind if the
    /// number is negative.
    Differ(i64),
}

/// Compares the clocks in the background.
pub struct ClockCheck {
    store: Store,
    clock: Clock,
    leeway: Duration,
    last: watch::Sender<Comparison>,
}

impl ClockCheck {
    /// Returns a check that tolerates a difference of `leeway`.
    pub fn new(store: Store, clock: Clock, leeway: Duration) -> Self {
        Self { store, clock, leeway, last: watch::Sender::new(Comparison::Pending) }
    }

    /// Compares the clocks at an interval until `this` is dropped.
    pub async fn repeat(this: Weak<Self>) {
        while let Some(check) = this.upgrade() {
            check.compare().await;
            let is_pending = *check.last.borrow() == Comparison::Pending;
            let store = check.store.clone();
            drop(check);
            if is_pending {
                store.pause(FIRST_RETRY).await;
            } else {
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }

    /// Waits until the first comparison.
    pub async fn compared(&self) {
        let compared = |last: &Comparison| *last != Comparison::Pending;
        // Cannot fail: `self` is the sender.
        let _ = self.last.subscribe().wait_for(compared).await;
    }

    /// Returns whether the clocks agree.
    ///
    /// # Errors
    /// The reason why the replica is not ready.
    pub fn readiness(&self) -> Result<(), UnavailableReason> {
        match *self.last.borrow() {
            Comparison::Pending => {
                Err(UnavailableReason::Text("not compared with the database's clock yet"))
            }
            Comparison::Agree => Ok(()),
            Comparison::Differ(ahead_ms) => {
                Err(UnavailableReason::ClockDiffers { ahead_ms, leeway: self.leeway })
            }
        }
    }

    /// Compares the clocks once. If the database does not answer, the last result stays.
    async fn compare(&self) {
        // A test advances the clock of the app, not the clock of the machine.
        let began_ms = self.clock.now_ms() - self.clock.offset_ms();
        let began = Instant::now();
        let Ok(database_ms) = self.store.run(server_clock::now_ms).await else { return };
        // The clock of the machine may be set during the query, so it is read once.
        let ended_ms = began_ms + began.elapsed().as_millis() as i64;
        let found = database_ms.map_or(Comparison::Agree, |database_ms| {
            compare(database_ms, began_ms, ended_ms, self.leeway)
        });
        if let Comparison::Differ(ahead_ms) = found {
            let was_different = matches!(*self.last.borrow(), Comparison::Differ(_));
            if !was_different {
                let reason = UnavailableReason::ClockDiffers { ahead_ms, leeway: self.leeway };
                log::error!("this replica is not ready: {reason}");
            }
        }
        self.last.send_replace(found);
    }
}

/// Compares the clock of a database, which answered `database_ms` to a query that began and ended at
/// these times.
fn compare(database_ms: i64, began_ms: i64, ended_ms: i64, leeway: Duration) -> Comparison {
    // The database read its clock at some time between.
    let ahead_ms = match database_ms {
        early if early < began_ms => began_ms - early,
        late if late > ended_ms => ended_ms - late,
        _ => 0,
    };
    if ahead_ms.unsigned_abs() > leeway.as_millis() as u64 {
        Comparison::Differ(ahead_ms)
    } else {
        Comparison::Agree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_query_is_no_difference() {
        let leeway = Duration::from_secs(10);
        for (database_ms, expected) in [
            (50_000, Comparison::Agree),
            (51_500, Comparison::Agree),
            (40_000, Comparison::Agree),
            (39_999, Comparison::Differ(10_001)),
            (62_000, Comparison::Agree),
            (62_001, Comparison::Differ(-10_001)),
        ] {
            assert_eq!(compare(database_ms, 50_000, 52_000, leeway), expected, "{database_ms}");
        }
    }
}
