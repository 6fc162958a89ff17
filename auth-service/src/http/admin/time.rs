//! Times in answers.

use jiff::Timestamp;

/// Formats a time (RFC 3339, UTC), to the second.
pub fn time(ms: i64) -> String {
    Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default().to_string()
}

/// Formats a time (RFC 3339, UTC), to the millisecond.
pub fn exact_time(ms: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default())
}

/// Formats a time, rounded down to the minute: the exact time would tell a thief of a refresh token
/// when its owner refreshes.
pub fn minute(ms: i64) -> String {
    time(ms - ms.rem_euclid(60_000))
}
