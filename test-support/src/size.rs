//! Sizes of tests that take long in full size.

use std::env;

/// Returns the size that `TEST_LONG` selects: `short` if it is unset, `full` if it is `full`,
/// `long` otherwise.
pub fn sized<T>(short: T, long: T, full: T) -> T {
    match env::var("TEST_LONG").unwrap_or_default().as_str() {
        "" => short,
        "full" => full,
        _ => long,
    }
}
