//! The feed's server-sent events (HTML Standard section 9.2), read from chunks of bytes.

use serde::Deserialize;

use crate::claims::SessionId;

/// No event of the feed is near it.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// The lines of a stream of bytes.
#[derive(Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Up to where they have been read.
    read: usize,
}

impl Lines {
    /// Says whether that is no more than a line may be. To be called when there is no whole line left.
    pub(super) fn add(&mut self, chunk: &[u8]) -> bool {
        self.bytes.drain(..std::mem::take(&mut self.read));
        self.bytes.extend_from_slice(chunk);
        self.bytes.len() - self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
            <= MAX_LINE_BYTES
    }

    pub(super) fn next(&mut self) -> Option<String> {
        let rest = &self.bytes[self.read..];
        let line = &rest[..rest.iter().position(|byte| *byte == b'\n')?];
        self.read += line.len() + 1;
        Some(String::from_utf8_lossy(line).trim_end_matches('\r').to_owned())
    }
}

/// What an event said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FeedEvent {
    Ended { sid: SessionId, until: i64, id: Option<String> },
    CaughtUp,
}

/// An event of which not all lines are here yet (HTML, section 9.2.6).
#[derive(Default)]
pub(super) struct Event {
    id: Option<String>,
    name: String,
    data: String,
}

impl Event {
    /// What it says, once it is whole.
    pub(super) fn add(&mut self, line: &str) -> Option<FeedEvent> {
        #[derive(Deserialize)]
        struct Ended {
            sid: SessionId,
            until: i64,
        }
        if line.is_empty() {
            let Self { id, name, data } = std::mem::take(self);
            return match name.as_str() {
                "revoked" => {
                    let Ended { sid, until } = serde_json::from_str(&data).ok()?;
                    Some(FeedEvent::Ended { sid, until, id })
                }
                "caught-up" => Some(FeedEvent::CaughtUp),
                _ => None,
            };
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push_str(value),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let sid = SessionId::generate();
        let text = format!(
            ":\n\nid: 5-0\r\nevent: revoked\r\ndata: {{\"sid\":\"{sid}\",\r\ndata:\"until\":7}}\r\n\r\nevent: other\ndata: x\n\n\
             event: revoked\ndata: nonsense\n\nevent: caught-up\ndata: {{}}\n\n"
        );
        for size in 1..text.len() {
            let (mut lines, mut event, mut heard) = (Lines::default(), Event::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                assert!(lines.add(chunk));
                while let Some(line) = lines.next() {
                    heard.extend(event.add(&line));
                }
            }
            assert_eq!(
                heard,
                [FeedEvent::Ended { sid, until: 7, id: Some("5-0".into()) }, FeedEvent::CaughtUp]
            );
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut lines = Lines::default();
        assert!(lines.add(&[b'x'; MAX_LINE_BYTES]));
        assert!(!lines.add(b"x"));
    }
}
