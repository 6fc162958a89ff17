//! The events that one replica holds, in the order in which it received them.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use shared::claims::SessionId;

use super::event::{EventId, EventSource, Revocation};

/// Position of a listener in the log.
///
/// Only the events of the stream have the same order at all replicas. So a listener that comes
/// from another replica receives all other events again.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// Number of the next event.
    next: u64,
    /// Number of the first event of the stream that the listener may not have received.
    first_new: u64,
    /// Number of events when the listener subscribed.
    end_of_past: u64,
}

impl Cursor {
    /// Returns the number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Returns whether the listener has received every event from before it subscribed.
    pub fn is_caught_up(&self) -> bool {
        self.next >= self.end_of_past
    }
}

/// The events of sessions of which an access token may still be valid.
#[derive(Debug, Default)]
pub struct Log {
    events: VecDeque<(EventSource, Revocation)>,
    /// The source of each session's event: the stream, if the event has ever come by it.
    sources: HashMap<SessionId, EventSource>,
    /// Number of events removed from the front.
    removed: u64,
}

impl Log {
    /// Returns the number of events ever added.
    pub fn total(&self) -> u64 {
        self.removed + self.events.len() as u64
    }

    /// Returns the number of events in the log. A few of them may have expired.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn contains(&self, sid: SessionId) -> bool {
        self.sources.contains_key(&sid)
    }

    /// Returns whether the session's event has come by the stream, so that every replica can
    /// receive it.
    pub fn has_from_stream(&self, sid: SessionId) -> bool {
        self.sources.get(&sid) == Some(&EventSource::Stream)
    }

    /// Adds an event unless it has expired or the log has one of the same session. Removes expired
    /// events from the front. An event that comes by the stream has an id.
    pub fn add(&mut self, stream_id: Option<EventId>, sid: SessionId, until_ms: i64, now_ms: i64) {
        self.remove_expired(now_ms);
        if until_ms <= now_ms {
            return;
        }
        let source = match stream_id {
            Some(_) => EventSource::Stream,
            None => EventSource::Local,
        };
        match self.sources.entry(sid) {
            Entry::Vacant(entry) => drop(entry.insert(source)),
            Entry::Occupied(mut entry) => {
                // This replica's listeners have the event already.
                if source == EventSource::Stream {
                    entry.insert(source);
                }
                return;
            }
        }
        let id = stream_id.unwrap_or(EventId::local(self.total() + 1));
        self.events.push_back((source, Revocation { id, sid, until_ms }));
    }

    fn remove_expired(&mut self, now_ms: i64) {
        while let Some((_, oldest)) = self.events.front()
            && oldest.until_ms <= now_ms
        {
            self.sources.remove(&oldest.sid);
            self.events.pop_front();
            self.removed += 1;
        }
    }

    /// Returns the cursor of a listener that has received all events up to `last`, perhaps from
    /// another replica.
    pub fn cursor_after(&self, last: Option<EventId>) -> Cursor {
        let is_last = |(source, event): &(EventSource, Revocation)| {
            *source == EventSource::Stream && Some(event.id) == last
        };
        // From the back, because most listeners that resume were disconnected a moment ago.
        let last_index = last.and_then(|_| self.events.iter().rposition(is_last));
        let first_new = last_index.map_or(0, |index| index as u64 + 1);
        Cursor {
            next: self.removed,
            first_new: self.removed + first_new,
            end_of_past: self.total(),
        }
    }

    /// Moves the cursor past the next `limit` events. Returns the events among them that have not
    /// expired and may be new to the listener. `None` if the cursor is at the end.
    pub fn next_page(
        &self,
        cursor: &mut Cursor,
        limit: usize,
        now_ms: i64,
    ) -> Option<Vec<Revocation>> {
        let start = cursor.next.max(self.removed);
        let skipped = (start - self.removed) as usize;
        let page = self.events.iter().skip(skipped).take(limit);
        cursor.next = start + page.len() as u64;
        if cursor.next == start {
            return None;
        }
        let may_be_new = |(number, (source, event)): &(u64, &(EventSource, Revocation))| {
            event.until_ms > now_ms
                && (*number >= cursor.first_new || *source == EventSource::Local)
        };
        Some((start..).zip(page).filter(may_be_new).map(|(_, (_, event))| *event).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_id(text: &str) -> EventId {
        text.parse().unwrap()
    }

    /// Returns all events from the cursor on, read in pages of two.
    fn read(log: &Log, cursor: &mut Cursor, now_ms: i64) -> Vec<SessionId> {
        let pages = std::iter::from_fn(|| log.next_page(cursor, 2, now_ms));
        pages.flatten().map(|event| event.sid).collect()
    }

    #[test]
    fn listener_resumes_at_its_last_event_and_receives_local_events_again() {
        let sids: [SessionId; 4] = std::array::from_fn(|_| SessionId::generate());
        let [a, b, c, d] = sids;
        let mut log = Log::default();
        log.add(None, a, 100, 0);
        log.add(Some(event_id("5-0")), b, 100, 0);
        log.add(Some(event_id("5-1")), c, 100, 0);
        log.add(Some(event_id("6-0")), c, 100, 0);
        log.add(Some(event_id("7-0")), d, 200, 0);
        let read_after = |last: Option<&str>, now_ms| {
            read(&log, &mut log.cursor_after(last.map(event_id)), now_ms)
        };
        assert_eq!(read_after(None, 0), [a, b, c, d]);
        assert_eq!(read_after(Some("5-0"), 0), [a, c, d]);
        assert_eq!(read_after(Some("7-0"), 0), [a]);
        assert_eq!(read_after(Some("4-9"), 0), [a, b, c, d], "the log does not have this event");
        assert_eq!(read_after(Some("5-0"), 100), [d], "the other events have expired");
    }

    #[test]
    fn removal_of_expired_events_keeps_the_positions_of_listeners() {
        let sids: [SessionId; 3] = std::array::from_fn(|_| SessionId::generate());
        let [a, b, c] = sids;
        let mut log = Log::default();
        log.add(None, a, 100, 0);
        let mut cursor = log.cursor_after(None);
        let mut late = log.cursor_after(None);
        assert!(!cursor.is_caught_up());
        assert_eq!(read(&log, &mut cursor, 0), [a]);
        assert!(cursor.is_caught_up());
        log.add(None, b, 200, 0);
        log.add(None, c, 300, 150);
        assert!(!log.contains(a) && log.contains(b));
        assert_eq!(read(&log, &mut cursor, 150), [b, c]);
        assert_eq!(read(&log, &mut late, 150), [b, c]);
        assert!(late.is_caught_up());
        assert_eq!(log.total(), 3);
        log.add(None, a, 100, 150);
        assert_eq!(log.total(), 3, "an expired event is not added");
    }
}
