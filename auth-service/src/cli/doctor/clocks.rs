//! The clock of a store, compared with the clock of this machine.

use super::finding::Finding;
use crate::config::Settings;

/// Difference between two clocks that needs no advice, in milliseconds.
const TOLERANCE_MS: i64 = 1000;

/// Compares the clock of a store, which answered `store_now_ms` to a query that began and ended at
/// these times.
pub fn check(
    store: &str,
    store_now_ms: i64,
    began_ms: i64,
    ended_ms: i64,
    settings: &Settings,
) -> Finding {
    let ahead_ms = match store_now_ms {
        later if later > ended_ms => later - ended_ms,
        earlier if earlier < began_ms => earlier - began_ms,
        _ => 0,
    };
    let direction = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let seconds = ahead_ms.abs() as f64 / 1000.0;
    let state = format!("{store} clock is {seconds:.1} s {direction} this machine's");
    let remedy = "Synchronise both clocks with NTP (chrony, systemd-timesyncd): lifetimes of \
        tokens depend on clocks.";
    match ahead_ms.abs() {
        difference if difference > settings.leeway.as_millis() as i64 => {
            Finding::wrong("clocks", format!("{state}, more than LEEWAY"), remedy)
        }
        difference if difference > TOLERANCE_MS => Finding::advice("clocks", state, remedy),
        _ => Finding::fine("clocks", format!("{store} clock agrees with this machine's")),
    }
}
