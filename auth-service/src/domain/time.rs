//! Times as texts. All are milliseconds since the Unix epoch, and in UTC as texts.

use jiff::{SignedDuration, Timestamp};

/// Parses a time such as `2026-11-24T08:00:00Z`, or a duration before `now_ms` such as `24h` or `7d`.
/// Returns milliseconds since the Unix epoch.
///
/// # Errors
/// The rule that `text` breaks.
pub fn parse_since(text: &str, now_ms: i64) -> Result<i64, &'static str> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let wrong = "must be a time such as 2026-11-24T08:00:00Z, or a duration such as 24h or 7d";
    // SignedDuration parses no days, whose length depends on the time zone. Here a day is 24 hours.
    let duration = match text.strip_suffix('d') {
        Some(days) => {
            let days: u32 = days.parse().map_err(|_| wrong)?;
            SignedDuration::from_hours(days.checked_mul(24).ok_or(wrong)?.into())
        }
        None => text.parse::<SignedDuration>().map_err(|_| wrong)?,
    };
    let ms = i64::try_from(duration.as_millis()).map_err(|_| wrong)?;
    let since = now_ms.checked_sub(ms).ok_or(wrong)?;
    if ms < 0 { Err(wrong) } else { Ok(since) }
}

/// Formats a time (RFC 3339), to the second.
pub fn to_second(ms: i64) -> String {
    Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default().to_string()
}

/// Formats a time (RFC 3339), to the millisecond.
pub fn to_millisecond(ms: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default())
}

/// Formats the last use of a session (RFC 3339), rounded down to the minute: the exact time would
/// tell a thief of a refresh token when its owner refreshes.
pub fn to_minute(ms: i64) -> String {
    to_second(ms - ms.rem_euclid(60_000))
}

/// Formats a time for pages and mails, rounded down to the minute for the same reason.
pub fn for_people(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
