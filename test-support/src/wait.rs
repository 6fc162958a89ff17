//! Waiting for a condition.

use std::{
    fmt::Display,
    panic::Location,
    thread,
    time::{Duration, Instant},
};

use crate::sized;

/// Time between two evaluations of a condition.
const INTERVAL: Duration = Duration::from_millis(10);

/// Result of one evaluation of a condition: a `bool`, an `Option` of the value that the test waits
/// for, or a `Result` whose error describes the current state.
pub trait Evaluation {
    /// Value returned once the condition holds.
    type Value;

    /// Returns the value if the condition holds, and a description of the current state otherwise.
    fn into_result(self) -> Result<Self::Value, impl Display>;
}

impl Evaluation for bool {
    type Value = ();

    fn into_result(self) -> Result<(), impl Display> {
        self.then_some(()).ok_or("the condition is false")
    }
}

impl<T> Evaluation for Option<T> {
    type Value = T;

    fn into_result(self) -> Result<T, impl Display> {
        self.ok_or("no value")
    }
}

impl<T, E: Display> Evaluation for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, impl Display> {
        self
    }
}

/// Waits until a condition holds, and returns the value that the condition yields. `what` names
/// the condition in a clause, such as "the replica is ready".
///
/// # Panics
/// If the condition does not hold within a minute (ten minutes in a long run).
#[track_caller]
pub fn wait_until<E: Evaluation>(
    what: impl Display,
    mut condition: impl AsyncFnMut() -> E,
) -> impl Future<Output = E::Value> {
    let wait = Wait::start(what);
    async move {
        loop {
            if let Some(value) = wait.value_of(condition().await) {
                return value;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Waits like [`wait_until`], for code that is not async. Blocks the thread.
///
/// # Panics
/// If the condition does not hold within a minute (ten minutes in a long run).
#[track_caller]
pub fn wait_until_blocking<E: Evaluation>(
    what: impl Display,
    mut condition: impl FnMut() -> E,
) -> E::Value {
    let wait = Wait::start(what);
    loop {
        if let Some(value) = wait.value_of(condition()) {
            return value;
        }
        thread::sleep(INTERVAL);
    }
}

/// One wait that has begun.
struct Wait<W> {
    what: W,
    caller: &'static Location<'static>,
    began: Instant,
    limit: Duration,
}

impl<W: Display> Wait<W> {
    #[track_caller]
    fn start(what: W) -> Self {
        let limit = Duration::from_secs(sized(60, 600, 600));
        Self { what, caller: Location::caller(), began: Instant::now(), limit }
    }

    /// Returns the value if the condition holds.
    fn value_of<E: Evaluation>(&self, evaluation: E) -> Option<E::Value> {
        let Self { what, caller, began, limit } = self;
        match evaluation.into_result() {
            Ok(value) => Some(value),
            Err(state) => {
                let is_in_time = began.elapsed() < *limit;
                assert!(is_in_time, "{caller}: waited {limit:?} until {what}; last state: {state}");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_returned_once_the_condition_holds() {
        let mut evaluations = 0;
        let value = wait_until_blocking("the third evaluation", || {
            evaluations += 1;
            (evaluations == 3).then_some("value")
        });
        assert_eq!(value, "value");
    }

    #[test]
    #[should_panic(expected = "until the server is ready; last state: status 503")]
    fn the_panic_message_names_the_condition_and_the_last_state() {
        let mut wait = Wait::start("the server is ready");
        wait.limit = Duration::ZERO;
        wait.value_of(Err::<(), _>("status 503"));
    }

    #[tokio::test]
    async fn an_async_condition_is_evaluated_again() {
        let mut evaluations = 0;
        wait_until("the second evaluation", async || {
            evaluations += 1;
            evaluations == 2
        })
        .await;
        assert_eq!(evaluations, 2);
    }
}
