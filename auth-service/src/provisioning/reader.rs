//! TOML values with their lines. A reader collects the faults of the file instead of stopping at the
//! first one.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::fault::Fault;

/// A value of the file, with its position.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// Reads values, and collects faults.
pub struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

/// A table of the file.
pub struct Table<'t, 'a> {
    entries: &'t DeTable<'a>,
    /// Line of the table's header.
    pub line: usize,
    /// What the table describes, for faults: "a client".
    noun: &'static str,
}

/// A text of the file, and its line.
pub struct Text<'t> {
    pub text: &'t str,
    pub line: usize,
}

impl<'a> Reader<'a> {
    /// Parses a file.
    ///
    /// # Errors
    /// The faults, if the file is not TOML.
    pub fn parse(text: &'a str) -> Result<(Self, DeTable<'a>), Vec<Fault>> {
        let mut reader = Self { text, faults: Vec::new() };
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let at = error.span().map_or(text.len(), |span| span.start);
            reader.fault(reader.line_at(at), format!("not TOML: {}", error.message()));
        }
        if reader.faults.is_empty() {
            Ok((reader, root.into_inner()))
        } else {
            Err(reader.into_faults())
        }
    }

    /// Adds a fault.
    pub fn fault(&mut self, line: usize, text: impl Into<String>) {
        self.faults.push(Fault { line, text: text.into() });
    }

    /// Returns the faults, in the order of their lines.
    pub fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort();
        self.faults
    }

    /// Returns the number of the line at which a value, or a key, begins.
    pub fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        self.line_at(spanned.span().start)
    }

    fn line_at(&self, at: usize) -> usize {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Returns the tables of `[[kind]]`, and adds a fault for each other value and each key that is
    /// not in `keys`.
    pub fn tables<'t>(
        &mut self,
        kind: &str,
        value: &'t Value<'a>,
        noun: &'static str,
        keys: &[&str],
    ) -> Vec<Table<'t, 'a>> {
        let Some(values) = value.get_ref().as_array() else {
            self.fault(self.line(value), format!("write [[{kind}]] for each of the {kind}"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in values {
            let line = self.line(value);
            let Some(entries) = value.get_ref().as_table() else {
                self.fault(line, format!("write [[{kind}]] for each of the {kind}"));
                continue;
            };
            for key in entries.keys() {
                self.check_key(key, keys, noun);
            }
            tables.push(Table { entries, line, noun });
        }
        tables
    }

    /// Adds a fault if a key is not one of `keys`. `noun` is what the keys describe.
    pub fn check_key(&mut self, key: &Spanned<impl AsRef<str>>, keys: &[&str], noun: &'static str) {
        let name = key.get_ref().as_ref();
        if !keys.contains(&name) {
            let name = name.escape_debug();
            let known = keys.join(", ");
            let text = format!("unknown key {name}: the keys of {noun} are {known}");
            self.fault(self.line(key), text);
        }
    }

    /// Returns the text of a key. Adds a fault if it is missing.
    pub fn required_text<'t>(&mut self, table: &Table<'t, 'a>, key: &str) -> Option<Text<'t>> {
        if !table.entries.contains_key(key) {
            self.fault(table.line, format!("{} needs the key {key}", table.noun));
        }
        self.text(table, key)
    }

    /// Returns the text of a key.
    pub fn text<'t>(&mut self, table: &Table<'t, 'a>, key: &str) -> Option<Text<'t>> {
        let value = table.entries.get(key)?;
        let line = self.line(value);
        let text = value.get_ref().as_str();
        if text.is_none() {
            let found = value.get_ref().type_str();
            self.fault(line, format!("{key} must be a string, and is of the type {found}"));
        }
        Some(Text { text: text?, line })
    }

    /// Returns the names of a key. Empty if the table does not have the key.
    pub fn names<T>(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let value = table.entries.get(key);
        value.map_or_else(Vec::new, |value| self.names_of(value, key, parse))
    }

    /// Returns the names of an array. Adds a fault for each that `parse` refuses.
    pub fn names_of<T>(
        &mut self,
        value: &Value<'a>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(values) = value.get_ref().as_array() else {
            let found = value.get_ref().type_str();
            let text = format!("{key} must be an array of strings, and is of the type {found}");
            self.fault(self.line(value), text);
            return Vec::new();
        };
        let mut names = Vec::new();
        for value in values {
            let parsed = match value.get_ref().as_str() {
                Some(text) => parse(text).map_err(|why| format!("{text:?} in {key} {why}")),
                None => Err(format!("{key} must be an array of strings")),
            };
            match parsed {
                Ok(name) => names.push(name),
                Err(why) => self.fault(self.line(value), why),
            }
        }
        names
    }
}
