//! Notices that a server has as many connections as it serves at once: further connections wait to
//! be accepted, and their requests may be late.
//!
//! The operating system does not state when a connection began to wait. Two times bound the wait:
//! how long the server has been full, and how long it took to accept as many connections as the
//! queue holds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::pause::{CATCH_UP, MAX_PAUSE};

/// Maximum number of connections that wait to be accepted: Linux' default of `somaxconn`.
const MAX_QUEUE: usize = 4096;

/// The connections of one server.
#[derive(Debug)]
pub(crate) struct Occupancy {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: usize,
    full_since: Option<Instant>,
    /// Time at which the server was last full. `None` while it is full.
    full_until: Option<Instant>,
    /// Times at which the last connections were accepted since the server has been full. As many as
    /// the queue holds.
    accepted: VecDeque<Instant>,
}

impl Occupancy {
    /// Creates the state of a server that serves this many connections at once.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, state: Mutex::default() })
    }

    /// Records a connection that has just been accepted, until the returned value is dropped.
    pub fn enter(self: &Arc<Self>) -> Occupied {
        let may_have_waited = self.lock().enter(self.capacity, Instant::now());
        Occupied { occupancy: Arc::clone(self), may_have_waited }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether the connection may have waited for longer than a client waits.
    fn enter(&mut self, capacity: usize, now: Instant) -> bool {
        // Connections that waited are accepted within a moment, and may fill the server again.
        let is_recent = self.full_until.is_none_or(|until| now.duration_since(until) < CATCH_UP);
        if !is_recent {
            self.full_since = None;
            self.accepted.clear();
        }
        self.connections += 1;
        let accepted_before = (self.accepted.len() >= MAX_QUEUE).then(|| self.accepted.pop_front());
        let waiting_since = self.full_since.max(accepted_before.flatten());
        let waited = waiting_since.map(|since| now.duration_since(since));
        if self.connections >= capacity {
            self.full_since.get_or_insert(now);
            self.full_until = None;
        }
        if self.full_since.is_some() {
            self.accepted.push_back(now);
        }
        waited.is_some_and(|waited| waited > MAX_PAUSE)
    }

    fn leave(&mut self, capacity: usize, now: Instant) {
        self.connections -= 1;
        if self.connections + 1 == capacity {
            self.full_until = Some(now);
        }
    }
}

/// A connection that the server serves.
#[derive(Debug)]
pub(crate) struct Occupied {
    occupancy: Arc<Occupancy>,
    may_have_waited: bool,
}

impl Occupied {
    /// Returns whether the connection may have waited to be accepted for longer than a client waits
    /// for an answer.
    pub fn may_have_waited(&self) -> bool {
        self.may_have_waited
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.occupancy.lock().leave(self.occupancy.capacity, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CAPACITY: usize = 2;

    #[test]
    fn connections_accepted_after_the_server_was_full_for_long_may_have_waited() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut state = State::default();
        assert!(!state.enter(CAPACITY, at(0)));
        assert!(!state.enter(CAPACITY, at(100)));
        // One place became free soon, and later again.
        state.leave(CAPACITY, at(5_000));
        assert!(!state.enter(CAPACITY, at(5_001)));
        state.leave(CAPACITY, at(10_099));
        assert!(!state.enter(CAPACITY, at(10_100)), "it waited for ten seconds at most");
        state.leave(CAPACITY, at(10_200));
        assert!(state.enter(CAPACITY, at(10_201)));
        state.leave(CAPACITY, at(20_000));
        state.leave(CAPACITY, at(20_001));
        assert!(state.enter(CAPACITY, at(20_999)), "others were accepted before it");
        assert!(!state.enter(CAPACITY, at(21_000)), "no connection waited any more");
    }

    #[test]
    fn connections_of_a_queue_that_moves_have_not_waited_for_long() {
        let start = Instant::now();
        let mut state = State::default();
        let per_ms = |number: u32| start + Duration::from_millis(number.into());
        assert!(!state.enter(1, start));
        for number in 1..20_000 {
            state.leave(1, per_ms(number));
            assert!(!state.enter(1, per_ms(number)), "connection {number}");
        }
    }

    #[test]
    fn server_that_was_never_full_delays_no_connection() {
        let start = Instant::now();
        let mut state = State::default();
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            assert!(!state.enter(CAPACITY, now));
            state.leave(CAPACITY, now);
        }
    }
}
