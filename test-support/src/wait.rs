//! Waiting for servers.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Waits until something is so.
///
/// # Panics
/// If it is not within half a minute.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within half a minute");
        thread::sleep(Duration::from_millis(10));
    }
}
