//! The earliest time of a search, as an operator states it.

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
