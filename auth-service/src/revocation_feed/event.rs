//! Events of the feed, and their ids.

use std::{fmt, str::FromStr};

use shared::claims::SessionId;

/// Id of an event: milliseconds and a number, as Redis names the entries of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(u64, u64);

impl EventId {
    /// Returns the id of an event that did not come by the stream. The id differs from every id of
    /// the stream, because the stream's ids begin with the current time.
    pub fn local(number: u64) -> Self {
        Self(0, number)
    }
}

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
    /// Time until which listeners refuse the session's access tokens, in milliseconds since the
    /// Unix epoch.
    pub until_ms: i64,
}

/// How this replica learned that a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSource {
    /// From the stream, which has the same events in the same order for all replicas.
    Stream,
    /// From the database, or by ending the session itself.
    Local,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_id_parses_what_it_displays() {
        let id: EventId = "1732390000000-7".parse().unwrap();
        assert_eq!(id.to_string(), "1732390000000-7");
        for invalid in ["", "1", "-", "a-1", "1-b", "-1-2", "99999999999999999999-0"] {
            assert!(invalid.parse::<EventId>().is_err(), "{invalid}");
        }
    }
}
