//! Splits a file of JSON into rows without parsing them, so that a broken row costs one row, and
//! the memory is that of one row.

use std::io::{self, BufRead, Read};

use super::types::ImportError;

/// Maximum size of a row in bytes. A longer one is read to its end and not kept.
pub const MAX_ROW: usize = 1 << 20;

/// The text of a row.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Line at which the row begins, counted from 1.
    pub line: u64,
    /// `None` if the row is longer than [`MAX_ROW`].
    pub text: Option<Vec<u8>>,
    /// Whether the file ends right after the row, without a line break.
    pub is_unterminated: bool,
}

/// The text of a row as far as it is read.
struct Partial {
    line: u64,
    text: Vec<u8>,
    is_too_long: bool,
}

impl Partial {
    fn new(line: u64) -> Self {
        Self { line, text: Vec::new(), is_too_long: false }
    }

    fn push(&mut self, byte: u8) {
        if self.text.len() < MAX_ROW {
            self.text.push(byte);
        } else {
            self.is_too_long = true;
        }
    }

    fn finish(self, is_unterminated: bool) -> Record {
        let Self { line, text, is_too_long } = self;
        Record { line, text: (!is_too_long).then_some(text), is_unterminated }
    }
}

/// Reads the next element of a JSON array.
pub struct ArrayRecords<R> {
    input: Bytes<R>,
    has_begun: bool,
    has_ended: bool,
}

/// Reads the next line that is not blank.
pub struct LineRecords<R> {
    input: Bytes<R>,
}

/// The bytes of a file, and the number of the current line.
struct Bytes<R> {
    input: io::BufReader<R>,
    line: u64,
}

impl<R: Read> Bytes<R> {
    fn new(input: io::BufReader<R>) -> Self {
        Self { input, line: 1 }
    }

    /// Passes the bytes to `take` until it returns `false`. Returns whether it did: otherwise the
    /// file has ended.
    fn read(&mut self, mut take: impl FnMut(u8, u64) -> bool) -> Result<bool, ImportError> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => return Err(ImportError::Read(why)),
            };
            if buffer.is_empty() {
                return Ok(false);
            }
            let mut used = 0;
            let mut is_done = false;
            for byte in buffer {
                used += 1;
                let goes_on = take(*byte, self.line);
                self.line += u64::from(*byte == b'\n');
                if !goes_on {
                    is_done = true;
                    break;
                }
            }
            self.input.consume(used);
            if is_done {
                return Ok(true);
            }
        }
    }
}

/// Where the scanner is within an element.
#[derive(Default)]
struct Nesting {
    depth: u64,
    is_in_string: bool,
    is_escaped: bool,
}

impl Nesting {
    /// Advances by a byte. Returns whether the element ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.is_in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_string = false,
                _ => {}
            }
            return self.depth == 0 && !self.is_in_string;
        }
        match byte {
            b'"' => self.is_in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

impl<R: Read> ArrayRecords<R> {
    pub fn new(input: io::BufReader<R>) -> Self {
        Self { input: Bytes::new(input), has_begun: false, has_ended: false }
    }

    /// Returns the next element, `None` at the end of the array.
    ///
    /// # Errors
    /// [`ImportError`] if the file cannot be read, ends early, or has text after the array.
    pub fn next(&mut self) -> Result<Option<Record>, ImportError> {
        if !self.has_begun {
            // The caller has seen that the file begins with a bracket.
            self.input.read(|byte, _| byte != b'[')?;
            self.has_begun = true;
        }
        if self.has_ended {
            return Ok(None);
        }
        let Some((first, line)) = self.next_significant()? else {
            return Err(ImportError::Cut(self.input.line));
        };
        if first == b']' {
            self.has_ended = true;
            return self.require_end().map(|()| None);
        }
        let mut record = Partial::new(line);
        let mut nesting = Nesting::default();
        record.push(first);
        if !nesting.ends_with(first) {
            // A number or a word has no end of its own. The row is refused in any case.
            let is_scalar = !matches!(first, b'{' | b'[' | b'"');
            let mut is_last = false;
            let is_complete = self.input.read(|byte, _| {
                if is_scalar {
                    is_last = byte == b']';
                    return !matches!(byte, b',' | b'\n' | b']');
                }
                record.push(byte);
                !nesting.ends_with(byte)
            })?;
            if !is_complete {
                return Err(ImportError::Cut(line));
            }
            if is_last {
                self.has_ended = true;
                self.require_end()?;
            }
        }
        Ok(Some(record.finish(false)))
    }

    /// Returns the next byte that is neither blank nor a comma, and its line.
    fn next_significant(&mut self) -> Result<Option<(u8, u64)>, ImportError> {
        let mut found = None;
        self.input.read(|byte, line| {
            if !byte.is_ascii_whitespace() && byte != b',' {
                found = Some((byte, line));
            }
            found.is_none()
        })?;
        Ok(found)
    }

    fn require_end(&mut self) -> Result<(), ImportError> {
        let mut found = None;
        self.input.read(|byte, line| {
            found = (!byte.is_ascii_whitespace()).then_some(line);
            found.is_none()
        })?;
        let reason = "there is text after the end of the array".to_owned();
        found.map_or(Ok(()), |line| Err(ImportError::Malformed { line, reason }))
    }
}

impl<R: Read> LineRecords<R> {
    pub fn new(input: io::BufReader<R>) -> Self {
        Self { input: Bytes::new(input) }
    }

    /// Returns the next line that is not blank, `None` at the end of the file.
    ///
    /// # Errors
    /// [`ImportError::Read`].
    pub fn next(&mut self) -> Result<Option<Record>, ImportError> {
        loop {
            let mut record = Partial::new(self.input.line);
            let is_terminated = self.input.read(|byte, _| {
                if byte != b'\n' {
                    record.push(byte);
                }
                byte != b'\n'
            })?;
            let is_blank = record.text.iter().all(u8::is_ascii_whitespace) && !record.is_too_long;
            match (is_blank, is_terminated) {
                (false, _) => return Ok(Some(record.finish(!is_terminated))),
                (true, false) => return Ok(None),
                (true, true) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The line and the text of each element.
    type Elements = Vec<(u64, Option<String>)>;

    fn elements(text: &[u8]) -> (Elements, Result<(), String>) {
        let mut records = ArrayRecords::new(BufReader::with_capacity(3, text));
        let mut found = Vec::new();
        loop {
            match records.next() {
                Ok(Some(Record { line, text, .. })) => {
                    found.push((line, text.map(|text| String::from_utf8(text).unwrap())));
                }
                Ok(None) => return (found, Ok(())),
                Err(why) => return (found, Err(why.to_string())),
            }
        }
    }

    #[test]
    fn array_is_split_without_parsing_its_elements() {
        let text = b" [\n{\"a\": \"]}\\\"\"},\n\n{\"b\": [{}]} , 7,\n\"x\"\n]\n";
        let expected = [(2, "{\"a\": \"]}\\\"\"}"), (4, "{\"b\": [{}]}"), (4, "7"), (5, "\"x\"")];
        let expected = expected.map(|(line, text)| (line, Some(text.to_owned())));
        assert_eq!(elements(text), (expected.to_vec(), Ok(())));
        assert_eq!(elements(b"[]"), (Vec::new(), Ok(())));
        assert_eq!(elements(b"[7]"), (vec![(1, Some("7".into()))], Ok(())));
    }

    #[test]
    fn cut_array_is_reported_with_its_line() {
        let cut =
            |line| Err(format!("the file ends in the middle of line {line}: it is not complete"));
        for (text, rows, line) in [
            (&b"[\n{\"a\": 1},\n{\"b\""[..], 1, 3),
            (b"[\n{\"a\": 1},\n", 1, 3),
            (b"[\n{\"a\": 1}", 1, 2),
            (b"[", 0, 1),
            (b"[\n{\"a\": \"]}", 0, 2),
        ] {
            let (found, outcome) = elements(text);
            assert_eq!((found.len(), outcome), (rows, cut(line)), "{text:?}");
        }
        let after = elements(b"[]\n\nx").1;
        assert_eq!(after, Err("line 3: there is text after the end of the array".into()));
    }

    #[test]
    fn row_beyond_the_maximum_is_not_kept() {
        let long = format!("[{{\"a\": \"{}\"}},\n{{}}]", "x".repeat(MAX_ROW));
        let (found, outcome) = elements(long.as_bytes());
        assert_eq!((found, outcome), (vec![(1, None), (2, Some("{}".into()))], Ok(())));
        let long = format!("{}\n{{}}", "x".repeat(MAX_ROW + 1));
        let mut lines = LineRecords::new(BufReader::new(long.as_bytes()));
        assert_eq!(lines.next().unwrap().unwrap().text, None);
        let last = lines.next().unwrap().unwrap();
        assert_eq!((last.line, last.text, last.is_unterminated), (2, Some(b"{}".to_vec()), true));
        assert_eq!(lines.next().unwrap(), None);
    }
}
