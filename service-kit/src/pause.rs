//! Notices that the process was stopped, or did not run for another reason: the requests that it
//! reads next may have waited for all that time.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Time for which a client waits for an answer at least.
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Time in which a thread reads the requests that waited during a pause, and a server accepts the
/// connections that waited.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(1);
/// Time between two beats of a thread that runs.
const BEAT: Duration = Duration::from_secs(1);

thread_local! {
    static PAUSES: Cell<Pauses> = const { Cell::new(Pauses::NONE) };
}

/// Beats on this thread until it ends.
pub(crate) async fn beat() {
    loop {
        PAUSES.set(PAUSES.get().beat(Instant::now()));
        tokio::time::sleep(BEAT).await;
    }
}

/// Returns whether the requests that this thread reads now may have waited for longer than a client
/// waits. `false` on a thread that does not [`beat`].
pub(crate) fn may_have_waited() -> bool {
    PAUSES.get().may_have_waited(Instant::now())
}

/// What a thread knows of its last pause.
#[derive(Clone, Copy)]
struct Pauses {
    last_beat: Option<Instant>,
    /// Time until which requests may have waited.
    suspect_until: Option<Instant>,
}

impl Pauses {
    const NONE: Self = Self { last_beat: None, suspect_until: None };

    fn beat(self, now: Instant) -> Self {
        let suspect_until =
            if self.is_paused(now) { Some(now + CATCH_UP) } else { self.suspect_until };
        Self { last_beat: Some(now), suspect_until }
    }

    /// The request may be read before the first beat after the pause.
    fn may_have_waited(self, now: Instant) -> bool {
        self.is_paused(now) || self.suspect_until.is_some_and(|until| now < until)
    }

    fn is_paused(self, now: Instant) -> bool {
        self.last_beat.is_some_and(|last| now.duration_since(last) > MAX_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_after_a_pause_may_have_waited() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!Pauses::NONE.may_have_waited(at(60_000)), "no beat");
        let pauses = Pauses::NONE.beat(start).beat(at(1_000));
        assert!(!pauses.may_have_waited(at(11_000)));
        assert!(pauses.may_have_waited(at(11_001)), "before the first beat");
        let pauses = pauses.beat(at(20_000));
        assert!(pauses.may_have_waited(at(20_999)));
        let pauses = pauses.beat(at(20_999));
        assert!(!pauses.may_have_waited(at(21_000)));
    }
}
