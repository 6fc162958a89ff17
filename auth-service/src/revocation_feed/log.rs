//! What one replica has heard of, in the order in which it did.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    str::FromStr,
};

use shared::claims::SessionId;

/// The name of an event: that of the entry in Redis' stream, where it has one. Milliseconds and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(u64, u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, number) = text.split_once('-').ok_or(())?;
        Ok(Self(ms.parse().map_err(|_| ())?, number.parse().map_err(|_| ())?))
    }
}

/// A session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub id: EventId,
    pub sid: SessionId,
    /// Until when an access token of it may be alive, in milliseconds since the Unix epoch.
    pub until_ms: i64,
}

/// Who told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The stream, which tells every replica the same in the same order.
    Stream,
    /// The database, or this replica itself.
    Here,
}

/// How far a listener has come. The order is the same for all replicas only in what came by the stream; all else is told
/// again to those who come from another one.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// How many entries there were before the next one.
    next: u64,
    /// The same of the first one that came by the stream and was not heard elsewhere.
    heard: u64,
    /// How many there were when it began.
    present: u64,
}

impl Cursor {
    /// How many entries are behind it.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether all that was there when it began is behind it.
    pub fn is_past(&self) -> bool {
        self.next >= self.present
    }
}

/// What was heard of and still matters.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<(Origin, Revocation)>,
    /// Who told of each: the stream, if it did.
    sids: HashMap<SessionId, Origin>,
    /// How many entries have been forgotten.
    forgotten: u64,
    numbered: u64,
}

impl Log {
    /// How many have been heard of, the forgotten ones among them.
    pub fn count(&self) -> u64 {
        self.forgotten + self.entries.len() as u64
    }

    /// How many still matter, and perhaps a few that do not any more.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn knows(&self, sid: SessionId) -> bool {
        self.sids.contains_key(&sid)
    }

    /// Whether every replica can have heard of it.
    pub fn knows_from_stream(&self, sid: SessionId) -> bool {
        self.sids.get(&sid) == Some(&Origin::Stream)
    }

    /// Adds what is new and still matters, and forgets what no longer does.
    pub fn add(&mut self, origin: Origin, id: Option<EventId>, sid: SessionId, until_ms: i64, now_ms: i64) {
        while let Some((_, oldest)) = self.entries.front()
            && oldest.until_ms <= now_ms
        {
            self.sids.remove(&oldest.sid);
            self.entries.pop_front();
            self.forgotten += 1;
        }
        if until_ms <= now_ms {
            return;
        }
        match self.sids.entry(sid) {
            Entry::Vacant(new) => drop(new.insert(origin)),
            Entry::Occupied(mut told) => {
                // Listeners here have been told. From the stream all others can be, too.
                if origin == Origin::Stream {
                    told.insert(origin);
                }
                return;
            }
        }
        self.numbered += 1;
        // Never that of the stream, which begins with the time.
        let id = id.unwrap_or(EventId(0, self.numbered));
        self.entries.push_back((origin, Revocation { id, sid, until_ms }));
    }

    /// Where whoever has heard all up to `last`, perhaps from another replica, begins to listen here.
    pub fn place_after(&self, last: Option<EventId>) -> Cursor {
        let is_last = |(origin, revocation): &(Origin, Revocation)| {
            *origin == Origin::Stream && Some(revocation.id) == last
        };
        // From the back: most that come again were here a moment ago.
        let heard = last.and_then(|_| self.entries.iter().rposition(is_last)).map_or(0, |at| at + 1);
        Cursor { next: self.forgotten, heard: self.forgotten + heard as u64, present: self.count() }
    }

    /// What there is to tell of the next `limit` entries. `None` if there are none.
    pub fn go_on(&self, place: &mut Cursor, limit: usize, now_ms: i64) -> Option<Vec<Revocation>> {
        let next = place.next.max(self.forgotten);
        let skipped = (next - self.forgotten) as usize;
        let page = self.entries.iter().skip(skipped).take(limit);
        place.next = next + page.len() as u64;
        let may_be_new = |(number, (origin, revocation)): &(u64, &(Origin, Revocation))| {
            revocation.until_ms > now_ms && (*number >= place.heard || *origin == Origin::Here)
        };
        let may_be_new =
            (next..).zip(page).filter(may_be_new).map(|(_, (_, revocation))| *revocation).collect();
        (place.next > next).then_some(may_be_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is told from this place on, in pages of two.
    fn told(log: &Log, place: &mut Cursor, now_ms: i64) -> Vec<SessionId> {
        let pages = std::iter::from_fn(|| log.go_on(place, 2, now_ms));
        pages.flatten().map(|revocation| revocation.sid).collect()
    }

    #[test]
    fn a_listener_resumes_where_it_was_and_hears_again_what_no_stream_told() {
        let (a, b, c, d) =
            (SessionId::generate(), SessionId::generate(), SessionId::generate(), SessionId::generate());
        let mut log = Log::default();
        log.add(Origin::Here, None, a, 100, 0);
        log.add(Origin::Stream, Some(EventId(5, 0)), b, 100, 0);
        log.add(Origin::Stream, Some(EventId(5, 1)), c, 100, 0);
        log.add(Origin::Stream, Some(EventId(6, 0)), c, 100, 0);
        log.add(Origin::Stream, Some(EventId(7, 0)), d, 200, 0);
        let after = |last, now_ms| told(&log, &mut log.place_after(last), now_ms);
        assert_eq!(after(None, 0), [a, b, c, d]);
        assert_eq!(after(Some(EventId(5, 0)), 0), [a, c, d]);
        assert_eq!(after(Some(EventId(7, 0)), 0), [a]);
        assert_eq!(after(Some(EventId(4, 9)), 0), [a, b, c, d], "nobody knows how far it had come");
        assert_eq!(after(Some(EventId(5, 0)), 100), [d], "the others have expired");
    }

    #[test]
    fn what_has_expired_is_forgotten_and_nobody_loses_their_place() {
        let (a, b, c) = (SessionId::generate(), SessionId::generate(), SessionId::generate());
        let mut log = Log::default();
        log.add(Origin::Here, None, a, 100, 0);
        let (mut place, mut late) = (log.place_after(None), log.place_after(None));
        assert!(!place.is_past());
        assert_eq!(told(&log, &mut place, 0), [a]);
        assert!(place.is_past());
        log.add(Origin::Here, None, b, 200, 0);
        log.add(Origin::Here, None, c, 300, 150);
        assert!(!log.knows(a) && log.knows(b));
        assert_eq!(told(&log, &mut place, 150), [b, c]);
        assert_eq!(told(&log, &mut late, 150), [b, c]);
        assert!(late.is_past());
        assert_eq!(log.count(), 3);
        log.add(Origin::Here, None, a, 100, 150);
        assert_eq!(log.count(), 3, "it matters no more");
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id: EventId = "1732390000000-7".parse().unwrap();
        assert_eq!(id.to_string(), "1732390000000-7");
        for bad in ["", "1", "-", "a-1", "1-b", "-1-2", "99999999999999999999-0"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
