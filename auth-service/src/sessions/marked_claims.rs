//! Changes of claims that this replica has marked in session state.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The last change of claims that this replica has marked, by user id.
#[derive(Default)]
pub struct MarkedClaims(Mutex<HashMap<String, Marked>>);

struct Marked {
    /// Time of the change in the database, which identifies the change.
    changed_at: i64,
    /// Time when this replica first marked the change, by its own clock.
    since: Instant,
}

impl MarkedClaims {
    /// Returns whether this replica marked the change for the first time at least `settled_after`
    /// ago. Until then the change is marked again at each tick, because a refresh that read the
    /// database before the change may clear the mark.
    pub fn is_settled(&self, user: &str, changed_at: i64, settled_after: Duration) -> bool {
        let mut marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = marked.entry(user.to_owned()).or_insert(Marked { changed_at, since: now });
        if entry.changed_at != changed_at {
            *entry = Marked { changed_at, since: now };
        }
        let is_settled = entry.since.elapsed() >= settled_after;
        if is_settled {
            marked.remove(user);
        }
        is_settled
    }
}
