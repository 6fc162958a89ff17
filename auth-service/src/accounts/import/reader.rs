//! Reads users from a file, row by row.

use std::io::{BufRead, BufReader, Read};

use super::{
    csv_records::{CsvRecords, CsvRow},
    django::{Element, GroupBook},
    json::{Members, parse_object},
    json_records::{ArrayRecords, LineRecords, MAX_ROW, Record},
    rows::{ImportRow, RawRow, RowParser},
    types::{FileFormat, ImportError, ImportTotals, RefusedRow},
};

/// The byte order mark, with which some programs begin a file.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Size of the buffer of the file in bytes.
const BUFFER: usize = 1 << 16;

/// The rows of a file, in each of the formats.
enum Records<R> {
    Array(ArrayRecords<R>),
    Lines(LineRecords<R>),
    Csv(Box<CsvRecords<R>>),
}

/// Reads users from a file.
pub struct RowReader<'a, R> {
    records: Records<R>,
    parser: RowParser<'a>,
    book: GroupBook,
    /// What the reader counts: objects of other models, groups and permissions without an entry.
    pub totals: ImportTotals,
}

/// A row of a file.
pub enum ReadRow {
    User(Box<ImportRow>),
    Refused(RefusedRow),
}

impl<'a, R: Read> RowReader<'a, R> {
    /// Creates a reader of a file. The first byte of the file tells its format, unless the options
    /// name it.
    ///
    /// # Errors
    /// [`ImportError`] if the file cannot be read, or does not have the format.
    pub fn new(source: R, parser: RowParser<'a>) -> Result<Self, ImportError> {
        let mut input = BufReader::with_capacity(BUFFER, source);
        let first = skip_to_text(&mut input)?;
        let format = parser.options.format.unwrap_or(match first {
            Some(b'[') => FileFormat::JsonArray,
            Some(b'{') => FileFormat::JsonLines,
            _ => FileFormat::Csv,
        });
        let records = match format {
            FileFormat::JsonArray if first == Some(b'[') => {
                Records::Array(ArrayRecords::new(input))
            }
            FileFormat::JsonArray => {
                let reason = "the file is no JSON array".to_owned();
                return Err(ImportError::Malformed { line: 1, reason });
            }
            FileFormat::JsonLines => Records::Lines(LineRecords::new(input)),
            FileFormat::Csv => Records::Csv(Box::new(CsvRecords::new(input))),
        };
        Ok(Self { records, parser, book: GroupBook::default(), totals: ImportTotals::default() })
    }

    /// Returns the next row that is or should be a user, `None` at the end of the file.
    ///
    /// # Errors
    /// [`ImportError`] if the rest of the file cannot be read.
    pub fn next(&mut self) -> Result<Option<ReadRow>, ImportError> {
        loop {
            let (line, members) = match self.next_members()? {
                None => return Ok(None),
                Some(next) => next,
            };
            let refused = |reason| {
                let none = None::<String>;
                RefusedRow {
                    line,
                    username: none.clone(),
                    external_id: none,
                    reason,
                    is_conflict: false,
                }
            };
            let members = match members {
                Ok(members) => members,
                Err(reason) => return Ok(Some(ReadRow::Refused(refused(reason)))),
            };
            match self.book.read(members, &self.parser.options.model) {
                Element::Other(model) => self.totals.count_other_model(&model),
                Element::User(members, layout) => {
                    let row = RawRow { line, members: &members, layout };
                    return Ok(Some(self.parse(row)));
                }
            }
        }
    }

    fn parse(&mut self, row: RawRow<'_>) -> ReadRow {
        let totals = &mut self.totals;
        let mut unmapped = |name| totals.list_unmapped(name);
        match self.parser.parse(row, &self.book, &mut unmapped) {
            Ok(row) => ReadRow::User(Box::new(row)),
            Err(refused) => ReadRow::Refused(refused),
        }
    }

    /// Returns the line and the members of the next row, or the reason for which it is refused.
    #[expect(clippy::type_complexity, reason = "a pair that one caller takes apart")]
    fn next_members(&mut self) -> Result<Option<(u64, Result<Members, String>)>, ImportError> {
        let record = match &mut self.records {
            Records::Array(records) => records.next()?,
            Records::Lines(records) => records.next()?,
            Records::Csv(records) => {
                return Ok(records.next()?.map(|CsvRow { line, members }| (line, members)));
            }
        };
        let Some(Record { line, text, is_unterminated }) = record else { return Ok(None) };
        let Some(text) = text else {
            return Ok(Some((line, Err(format!("the row is longer than {MAX_ROW} bytes")))));
        };
        match parse_object(&text) {
            Err(_) if is_unterminated => Err(ImportError::Cut(line)),
            members => Ok(Some((line, members))),
        }
    }
}

/// Skips a byte order mark. Returns the first byte that is not blank, and leaves it in the file.
fn skip_to_text<R: Read>(input: &mut BufReader<R>) -> Result<Option<u8>, ImportError> {
    let start = input.fill_buf().map_err(ImportError::Read)?;
    if start.starts_with(BOM) {
        input.consume(BOM.len());
    }
    let rest = input.fill_buf().map_err(ImportError::Read)?;
    Ok(rest.iter().find(|byte| !byte.is_ascii_whitespace()).copied())
}
