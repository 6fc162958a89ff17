//! Progress of an import on standard error: a bar on a terminal, JSON lines otherwise.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::accounts::ImportProgress;

/// Time between two states of the bar.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// Time between two JSON lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Width of the bar in characters.
const WIDTH: u64 = 30;
/// Moves the cursor to the start of the line, and erases the line.
const ERASE: &str = "\r\x1b[K";

/// The progress of an import, as far as it is shown.
pub struct ProgressLine {
    /// Size of the file in bytes, if it is known.
    size: Option<u64>,
    begun: Instant,
    shown: Instant,
    is_terminal: bool,
    has_bar: bool,
}

impl ProgressLine {
    pub fn new(size: Option<u64>) -> Self {
        let now = Instant::now();
        let is_terminal = io::stderr().is_terminal();
        Self { size, begun: now, shown: now, is_terminal, has_bar: false }
    }

    /// Shows the progress, if it was last shown a while ago.
    pub fn show(&mut self, done: ImportProgress) {
        let interval = if self.is_terminal { BAR_INTERVAL } else { LINE_INTERVAL };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let elapsed = self.begun.elapsed().as_secs_f64();
        let text = if self.is_terminal {
            self.has_bar = true;
            format!("{ERASE}{}", bar(done, self.size, elapsed))
        } else {
            format!("{}\n", json_line(done, self.size, elapsed))
        };
        // Fails if standard error is closed. Progress is all that is lost.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Removes the bar, before another line is printed and at the end.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.has_bar) {
            let _ = io::stderr().write_all(ERASE.as_bytes());
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn rate(done: ImportProgress, elapsed: f64) -> u64 {
    (done.rows as f64 / elapsed.max(0.001)) as u64
}

/// Returns the number of seconds until the end, if the size of the file is known.
fn seconds_left(done: ImportProgress, size: Option<u64>, elapsed: f64) -> Option<u64> {
    let size = size.filter(|_| done.bytes > 0)?;
    Some((elapsed * size.saturating_sub(done.bytes) as f64 / done.bytes as f64).ceil() as u64)
}

fn bar(done: ImportProgress, size: Option<u64>, elapsed: f64) -> String {
    let ImportProgress { rows, refused, .. } = done;
    let rate = rate(done, elapsed);
    let counts = format!("{rows} rows, {refused} refused, {rate}/s");
    let (Some(size), Some(left)) = (size, seconds_left(done, size, elapsed)) else { return counts };
    let part = |whole: u64| done.bytes.min(size).saturating_mul(whole) / size.max(1);
    let filled = part(WIDTH);
    let (full, rest) = ("#".repeat(filled as usize), "-".repeat((WIDTH - filled) as usize));
    format!("[{full}{rest}] {:3}% {counts}, {left} s left", part(100))
}

fn json_line(done: ImportProgress, size: Option<u64>, elapsed: f64) -> serde_json::Value {
    let ImportProgress { rows, added, refused, bytes } = done;
    json!({
        "progress": {
            "rows": rows,
            "added": added,
            "refused": refused,
            "bytes": bytes,
            "size": size,
            "rows_per_second": rate(done, elapsed),
            "seconds_left": seconds_left(done, size, elapsed),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_states_rate_and_time_left() {
        let done = ImportProgress { rows: 2000, added: 1990, refused: 10, bytes: 500 };
        assert_eq!(
            bar(done, Some(1000), 2.0),
            "[###############---------------]  50% 2000 rows, 10 refused, 1000/s, 2 s left"
        );
        assert_eq!(bar(done, None, 2.0), "2000 rows, 10 refused, 1000/s");
        let line = json_line(done, Some(1000), 2.0);
        assert_eq!(line["progress"]["seconds_left"], 2);
        assert_eq!(line["progress"]["rows_per_second"], 1000);
        let nothing = ImportProgress::default();
        assert_eq!(seconds_left(nothing, Some(1000), 0.0), None);
        assert_eq!(bar(nothing, Some(0), 0.0), "0 rows, 0 refused, 0/s");
    }
}
