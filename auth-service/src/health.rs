//! Whether something we depend on works: said in the log when it changes, not at every request.

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
};

/// The state of one dependency.
#[derive(Debug)]
pub struct Health {
    what: &'static str,
    down: AtomicBool,
}

impl Health {
    /// A dependency that works until the opposite is seen.
    pub fn new(what: &'static str) -> Self {
        Self { what, down: AtomicBool::new(false) }
    }

    /// It failed just now.
    pub fn is_down(&self, why: &dyn Display) {
        if !self.down.swap(true, Ordering::Relaxed) {
            log::error!("{} is not available: {}", self.what, one_line(&why.to_string()));
        }
    }

    /// It worked just now.
    pub fn is_up(&self) {
        // A read first: this is called at every request, and a swap would make every core wait for the others.
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            log::info!("{} is available again", self.what);
        }
    }
}

/// libpq explains itself over several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
