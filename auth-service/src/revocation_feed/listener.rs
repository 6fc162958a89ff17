//! A listener of the feed.

use tokio::sync::watch;

use super::log::Cursor;

/// A listener of the feed, and its position.
pub struct Listener {
    pub(super) cursor: Cursor,
    /// Number of events ever added to the log. `None` until the past is loaded.
    total: watch::Receiver<Option<u64>>,
}

impl Listener {
    pub(super) fn new(cursor: Cursor, total: watch::Receiver<Option<u64>>) -> Self {
        Self { cursor, total }
    }

    /// Waits until the log has an event after the listener's position.
    pub async fn wait(&mut self) {
        let next = self.cursor.next();
        // Fails only without a sender, which lives as long as the service.
        let _ = self.total.wait_for(|total| total.is_some_and(|total| total > next)).await;
    }

    /// Returns whether the listener has received every event from before it subscribed.
    pub fn is_caught_up(&self) -> bool {
        self.cursor.is_caught_up()
    }
}
