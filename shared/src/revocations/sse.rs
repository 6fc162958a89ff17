//! Parser of the feed's server-sent events (HTML Standard section 9.2), from chunks of bytes.
//!
//! Own code because no crate limits the size of an event (eventsource-stream, sse-stream, sseer).

use serde::Deserialize;

use crate::claims::SessionId;

/// Maximum size of an event and of a line. An event of the feed has about 150 bytes.
pub(super) const MAX_EVENT_BYTES: usize = 64 * 1024;

/// An event of the feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FeedEvent {
    /// A session has ended. Its last token expires at `until`, in seconds since the Unix epoch.
    Ended { sid: SessionId, until: i64, id: Option<String> },
    /// All events before this connection have been received.
    CaughtUp,
}

/// Error returned when the feed cannot be parsed. Its next event is then unknown too.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("an event is larger than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
    /// An event names a session that has ended, but not in a way that this parser reads. An event
    /// that is skipped would be a session whose tokens are still accepted.
    #[error("an event with the name \"revoked\" cannot be parsed")]
    InvalidEvent,
}

/// Parses events from chunks of bytes. Lines end with LF or CRLF, as auth-service and proxies send
/// them, not with CR alone.
#[derive(Default)]
pub(super) struct FeedParser {
    bytes: Vec<u8>,
    /// Number of `bytes` that are parsed.
    parsed: usize,
    event: PartialEvent,
}

impl FeedParser {
    /// Adds a chunk. Call [`FeedParser::next_event`] until it returns `None` before the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.parsed);
        self.parsed = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// Returns the next complete event, or `None` if the rest of it is in a later chunk. Skips
    /// comments and events with other names.
    pub(super) fn next_event(&mut self) -> Result<Option<FeedEvent>, ParseError> {
        while let Some(length) = self.rest().iter().position(|byte| *byte == b'\n') {
            let line = &self.bytes[self.parsed..self.parsed + length];
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            let event = self.event.add_line(&line)?;
            self.parsed += length + 1;
            if event.is_some() {
                return Ok(event);
            }
            if self.event.size() > MAX_EVENT_BYTES {
                return Err(ParseError::TooLarge);
            }
        }
        if self.rest().len() > MAX_EVENT_BYTES { Err(ParseError::TooLarge) } else { Ok(None) }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.parsed..]
    }
}

/// The lines of an event so far (HTML Standard section 9.2.6).
#[derive(Default)]
struct PartialEvent {
    id: Option<String>,
    name: String,
    data: String,
}

impl PartialEvent {
    /// Adds a line. Returns the event if the line completes it.
    fn add_line(&mut self, line: &str) -> Result<Option<FeedEvent>, ParseError> {
        if line.is_empty() {
            return std::mem::take(self).finish();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            _ => {}
        }
        Ok(None)
    }

    fn finish(self) -> Result<Option<FeedEvent>, ParseError> {
        #[derive(Deserialize)]
        struct Ended {
            sid: SessionId,
            until: i64,
        }
        match self.name.as_str() {
            "revoked" => {
                let ended = serde_json::from_str(&self.data);
                let Ended { sid, until } = ended.map_err(|_| ParseError::InvalidEvent)?;
                Ok(Some(FeedEvent::Ended { sid, until, id: self.id }))
            }
            "caught-up" => Ok(Some(FeedEvent::CaughtUp)),
            _ => Ok(None),
        }
    }

    fn size(&self) -> usize {
        self.id.as_ref().map_or(0, String::len) + self.name.len() + self.data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_for_every_size_of_chunks() {
        let sid = SessionId::generate();
        let text = format!(
            ":\n\nid: 5-0\r\nevent: revoked\r\ndata: {{\"sid\":\"{sid}\",\r\ndata:\"until\":7}}\
             \r\n\r\nevent: other\ndata: x\n\nevent: caught-up\ndata: {{}}\n\n"
        );
        for size in 1..text.len() {
            let mut parser = FeedParser::default();
            let mut events = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                parser.push(chunk);
                while let Some(event) = parser.next_event().unwrap() {
                    events.push(event);
                }
            }
            let ended = FeedEvent::Ended { sid, until: 7, id: Some("5-0".into()) };
            assert_eq!(events, [ended, FeedEvent::CaughtUp]);
        }
    }

    #[test]
    fn an_ended_session_that_cannot_be_parsed_is_an_error() {
        let sid = SessionId::generate();
        for data in [
            "".into(),
            "nonsense".into(),
            "{}".into(),
            format!("{{\"sid\":\"{sid}\"}}"),
            format!("{{\"sid\":\"{sid}\",\"until\":\"7\"}}"),
            format!("{{\"sid\":\"{sid}\",\"until\":7.5}}"),
            "{\"sid\":\"other\",\"until\":7}".into(),
        ] {
            let mut parser = FeedParser::default();
            parser.push(format!("event: revoked\ndata: {data}\n\n").as_bytes());
            assert_eq!(parser.next_event(), Err(ParseError::InvalidEvent), "{data}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let mut parser = FeedParser::default();
        parser.push(&[b'x'; MAX_EVENT_BYTES]);
        assert_eq!(parser.next_event(), Ok(None));
        parser.push(b"x");
        assert_eq!(parser.next_event(), Err(ParseError::TooLarge));
    }

    #[test]
    fn an_event_without_end_is_refused_at_the_limit() {
        let mut parser = FeedParser::default();
        let line = format!("data: {}\n", "x".repeat(1023));
        for _ in 0..MAX_EVENT_BYTES / 1024 {
            parser.push(line.as_bytes());
            assert_eq!(parser.next_event(), Ok(None));
        }
        parser.push(b"data: x\n");
        assert_eq!(parser.next_event(), Err(ParseError::TooLarge));
    }
}
