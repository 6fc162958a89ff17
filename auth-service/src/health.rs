//! Whether something we depend on works: said in the log when it changes, not at every request.

use std::{
    fmt::Display,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The least time between two lines: what fails at every write and works at every read would fill the log.
const QUIET: Duration = Duration::from_secs(5);

/// The state of one dependency.
#[derive(Debug)]
pub struct Health {
    what: &'static str,
    down: AtomicBool,
    /// Whether the log says that it is down.
    said: AtomicBool,
    last_line: Mutex<Option<Instant>>,
}

impl Health {
    /// A dependency that works until the opposite is seen.
    pub fn new(what: &'static str) -> Self {
        Self { what, down: AtomicBool::new(false), said: AtomicBool::new(false), last_line: Mutex::new(None) }
    }

    /// It failed just now.
    pub fn is_down(&self, why: &dyn Display) {
        if !self.down.swap(true, Ordering::Relaxed) && self.may_speak() {
            self.said.store(true, Ordering::Relaxed);
            log::error!("{} is not available: {}", self.what, one_line(&why.to_string()));
        }
    }

    /// It worked just now.
    pub fn is_up(&self) {
        // A read first: this is called at every request, and a swap would make every core wait for the others.
        if self.down.load(Ordering::Relaxed)
            && self.down.swap(false, Ordering::Relaxed)
            && self.said.swap(false, Ordering::Relaxed)
        {
            log::info!("{} is available again", self.what);
        }
    }

    fn may_speak(&self) -> bool {
        let mut last = self.last_line.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let may = last.is_none_or(|last| last.elapsed() >= QUIET);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}

/// libpq explains itself over several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
