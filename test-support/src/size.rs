//! Sizes of tests that take long in full size.

use std::env;

fn test_long() -> String {
    env::var("TEST_LONG").unwrap_or_default()
}

/// Returns whether `TEST_LONG` asks for more than the short form of the tests.
pub(crate) fn is_long_run() -> bool {
    !test_long().is_empty()
}

/// Returns the size that `TEST_LONG` selects: `short` if it is unset, `full` if it is `full`,
/// `long` otherwise.
pub fn sized<T>(short: T, long: T, full: T) -> T {
    match test_long().as_str() {
        "" => short,
        "full" => full,
        _ => long,
    }
}
