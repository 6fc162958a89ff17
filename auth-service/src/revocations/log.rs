//! What one replica has heard of, in the order in which it did.

use std::{
    collections::{HashSet, VecDeque},
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

/// What was heard of and still matters.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<(Origin, Revocation)>,
    sids: HashSet<SessionId>,
    /// How many entries have been forgotten.
    forgotten: u64,
    numbered: u64,
}

impl Log {
    /// How many have been heard of, the forgotten ones among them.
    pub fn count(&self) -> u64 {
        self.forgotten + self.entries.len() as u64
    }

    pub fn knows(&self, sid: SessionId) -> bool {
        self.sids.contains(&sid)
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
        if until_ms <= now_ms || !self.sids.insert(sid) {
            return;
        }
        self.numbered += 1;
        // Never that of the stream, which begins with the time.
        let id = id.unwrap_or(EventId(0, self.numbered));
        self.entries.push_back((origin, Revocation { id, sid, until_ms }));
    }

    /// What was heard of from this count on.
    pub fn from(&self, count: u64) -> Vec<Revocation> {
        let skip = count.saturating_sub(self.forgotten) as usize;
        self.entries.iter().skip(skip).map(|(_, revocation)| *revocation).collect()
    }

    /// What whoever has heard all up to `last`, perhaps from another replica, may not have heard of. The order is the same
    /// for all replicas only in what came by the stream; all else is told again.
    pub fn after(&self, last: Option<EventId>, now_ms: i64) -> Vec<Revocation> {
        let is_last = |(origin, revocation): &(Origin, Revocation)| {
            *origin == Origin::Stream && Some(revocation.id) == last
        };
        let heard = self.entries.iter().position(is_last).map_or(0, |position| position + 1);
        let may_be_new = |(position, (origin, revocation)): &(usize, &(Origin, Revocation))| {
            revocation.until_ms > now_ms && (*position >= heard || *origin == Origin::Here)
        };
        self.entries.iter().enumerate().filter(may_be_new).map(|(_, (_, revocation))| *revocation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sids(revocations: &[Revocation]) -> Vec<SessionId> {
        revocations.iter().map(|revocation| revocation.sid).collect()
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
        assert_eq!(sids(&log.after(None, 0)), [a, b, c, d]);
        assert_eq!(sids(&log.after(Some(EventId(5, 0)), 0)), [a, c, d]);
        assert_eq!(sids(&log.after(Some(EventId(7, 0)), 0)), [a]);
        assert_eq!(
            sids(&log.after(Some(EventId(4, 9)), 0)),
            [a, b, c, d],
            "nobody knows how far it had come"
        );
        assert_eq!(sids(&log.after(Some(EventId(5, 0)), 100)), [d], "the others have expired");
    }

    #[test]
    fn what_has_expired_is_forgotten_and_nobody_loses_their_place() {
        let (a, b, c) = (SessionId::generate(), SessionId::generate(), SessionId::generate());
        let mut log = Log::default();
        log.add(Origin::Here, None, a, 100, 0);
        let place = log.count();
        log.add(Origin::Here, None, b, 200, 0);
        log.add(Origin::Here, None, c, 300, 150);
        assert!(!log.knows(a) && log.knows(b));
        assert_eq!(sids(&log.from(place)), [b, c]);
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
