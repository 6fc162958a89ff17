//! Splits a CSV file (RFC 4180) into rows. The first row names the fields.

use std::{
    io::{self, BufRead, Read},
    str,
};

use csv_core::{ReadRecordResult, Reader};

use super::{
    json::{Json, Members},
    json_records::MAX_ROW,
    types::ImportError,
};
use crate::domain::csv_cell;

/// Maximum number of fields of a row.
const MAX_FIELDS: usize = 256;

/// A row of a CSV file.
pub struct CsvRow {
    /// Line at which the row begins, counted from 1.
    pub line: u64,
    /// The fields by the names of the header, or the reason for which the row is refused. An empty
    /// field is null.
    pub members: Result<Members, String>,
}

/// Reads the rows of a CSV file.
pub struct CsvRecords<R> {
    input: io::BufReader<R>,
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Names of the fields. `None` before the header is read.
    header: Option<Vec<String>>,
    /// Number of the current line, counted from 1.
    line: u64,
}

/// A row before its fields have names.
struct Raw {
    line: u64,
    /// `None` if the row is too long.
    fields: Option<Vec<Vec<u8>>>,
}

impl<R: Read> CsvRecords<R> {
    pub fn new(input: io::BufReader<R>) -> Self {
        let text = vec![0; MAX_ROW];
        let ends = vec![0; MAX_FIELDS];
        Self { input, reader: Reader::new(), text, ends, header: None, line: 1 }
    }

    /// Returns the next row, `None` at the end of the file.
    ///
    /// # Errors
    /// [`ImportError`] if the file cannot be read, ends within a row, or has no header.
    pub fn next(&mut self) -> Result<Option<CsvRow>, ImportError> {
        let header = match self.header.take() {
            Some(header) => header,
            None => self.read_header()?,
        };
        let row = self.next_raw()?.map(|Raw { line, fields }| {
            let members = match fields {
                Some(fields) => named(&header, fields),
                None => Err(format!("the row is longer than {MAX_ROW} bytes")),
            };
            CsvRow { line, members }
        });
        self.header = Some(header);
        Ok(row)
    }

    /// Reads the header.
    ///
    /// # Errors
    /// [`ImportError::Malformed`] if the header is missing, or names a field twice.
    fn read_header(&mut self) -> Result<Vec<String>, ImportError> {
        let malformed = |reason: &str| ImportError::Malformed { line: 1, reason: reason.into() };
        let Some(Raw { fields: Some(fields), .. }) = self.next_raw()? else {
            return Err(malformed("the file has no header that names its fields"));
        };
        let names = fields
            .into_iter()
            .map(|name| String::from_utf8(name).map(|name| name.trim().to_owned()));
        let names: Result<Vec<String>, _> = names.collect();
        let names = names.map_err(|_| malformed("the header is not UTF-8"))?;
        let mut sorted = names.clone();
        sorted.sort();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(malformed("the header names a field twice"));
        }
        Ok(names)
    }

    /// Skips blank lines, and the line feed of a row that ended with its carriage return.
    fn skip_line_breaks(&mut self) -> Result<(), ImportError> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => return Err(ImportError::Read(why)),
            };
            let Some(byte) = buffer.first().copied() else { return Ok(()) };
            if !matches!(byte, b'\r' | b'\n') {
                return Ok(());
            }
            self.line += u64::from(byte == b'\n');
            self.input.consume(1);
        }
    }

    fn next_raw(&mut self) -> Result<Option<Raw>, ImportError> {
        self.skip_line_breaks()?;
        let line = self.line;
        let mut written = 0;
        let mut fields = 0;
        let mut is_too_long = false;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => return Err(ImportError::Read(why)),
            };
            let has_ended = buffer.is_empty();
            let (result, read, wrote, ended) = self.reader.read_record(
                buffer,
                &mut self.text[written..],
                &mut self.ends[fields..],
            );
            self.line += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.input.consume(read);
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    is_too_long = true;
                    written = 0;
                    fields = 0;
                }
                // The row has no line break at its end. Its last field may be incomplete.
                ReadRecordResult::Record if has_ended => return Err(ImportError::Cut(line)),
                ReadRecordResult::Record => {
                    let fields = (!is_too_long).then(|| self.split(fields));
                    return Ok(Some(Raw { line, fields }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn split(&self, fields: usize) -> Vec<Vec<u8>> {
        let mut start = 0;
        let ends = self.ends[..fields].iter();
        ends.map(|end| self.text[std::mem::replace(&mut start, *end)..*end].to_vec()).collect()
    }
}

/// Gives the fields of a row the names of the header.
fn named(header: &[String], fields: Vec<Vec<u8>>) -> Result<Members, String> {
    if fields.len() != header.len() {
        let (has, wants) = (fields.len(), header.len());
        return Err(format!("the row has {has} fields, and the header has {wants}"));
    }
    let mut members = Members::new();
    for (name, field) in header.iter().zip(fields) {
        let field = str::from_utf8(&field).map_err(|_| "the row is not UTF-8")?;
        let value = match csv_cell::restore(field) {
            "" => Json::Null,
            text => Json::Text(text.to_owned()),
        };
        members.insert(name.clone(), value);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn records(text: &str) -> CsvRecords<&[u8]> {
        CsvRecords::new(BufReader::with_capacity(3, text.as_bytes()))
    }

    #[test]
    fn fields_have_the_names_of_the_header() {
        let text = "username,note\r\nada,\"a, \"\"b\"\"\nc\"\n'=1,'x\nshort\nlast,\n";
        let mut records = records(text);
        let mut row = || records.next().unwrap().unwrap();
        let text = |text: &str| Json::Text(text.to_owned());
        let ada = row();
        assert_eq!(ada.line, 2);
        assert_eq!(ada.members.unwrap()["note"], text("a, \"b\"\nc"));
        let guarded = row();
        assert_eq!(guarded.line, 4);
        let guarded = guarded.members.unwrap();
        assert_eq!((&guarded["username"], &guarded["note"]), (&text("=1"), &text("'x")));
        assert_eq!(row().members.unwrap_err(), "the row has 1 fields, and the header has 2");
        assert_eq!(row().members.unwrap()["note"], Json::Null);
        assert!(records.next().unwrap().is_none());
    }

    #[test]
    fn cut_file_and_missing_header_are_reported() {
        for text in ["a,b\n1,\"2", "a,b\n1,2", "a,b\n1,", "a,b\n1,\"2\"", "a,b\n1,5\" pipe"] {
            let mut cut = records(text);
            assert_eq!(
                cut.next().err().unwrap().to_string(),
                "the file ends in the middle of line 2: it is not complete",
                "{text}"
            );
        }
        for (text, reason) in [("", "has no header"), ("a,a\n", "names a field twice")] {
            assert!(records(text).next().err().unwrap().to_string().contains(reason), "{text}");
        }
    }

    #[test]
    fn quotation_mark_within_a_field_is_text() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("a,b{end}5\" pipe,\"6\"\" pipe\"{end}1,2\"{end}");
            let mut records = records(&text);
            let first = records.next().unwrap().unwrap().members.unwrap();
            assert_eq!(first["a"], Json::Text("5\" pipe".into()), "{end:?}");
            assert_eq!(first["b"], Json::Text("6\" pipe".into()), "{end:?}");
            let last = records.next().unwrap().unwrap().members.unwrap();
            assert_eq!(last["b"], Json::Text("2\"".into()), "{end:?}");
            assert!(records.next().unwrap().is_none(), "{end:?}");
        }
    }

    #[test]
    fn row_beyond_the_maximum_is_not_kept() {
        let text = format!("a\n{}\nb\n", "x".repeat(2 * MAX_ROW));
        let mut records = CsvRecords::new(BufReader::new(text.as_bytes()));
        assert!(records.next().unwrap().unwrap().members.unwrap_err().contains("longer than"));
        assert_eq!(records.next().unwrap().unwrap().members.unwrap()["a"], Json::Text("b".into()));
    }
}
