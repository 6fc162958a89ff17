//! The texts of the pages in one language, from a JSON file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use service_kit::CommandError;

use crate::domain::language::Language;

/// The texts of one language. All languages have the same keys, and the same placeholders in each
/// text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What pages show, by name.
    texts: BTreeMap<String, String>,
    /// What a page tells after a change, by the name in the query of the page's address.
    notices: BTreeMap<String, String>,
    /// Messages about wrong fields and failures, by the English text that the API answers. `{n}`
    /// stands for a number.
    messages: BTreeMap<String, String>,
}

/// The catalogues of all languages.
pub struct Catalogues([Catalogue; Language::ALL.len()]);

impl Catalogues {
    /// Parses the catalogue of each language. `source` returns the name and the content of a file.
    ///
    /// # Errors
    /// If a file is no catalogue, or has other keys or placeholders than `original`, a catalogue of
    /// this program. The error names the file, and the line or the key.
    pub fn parse<'a>(
        source: impl Fn(Language) -> (String, &'a str),
        original: &str,
    ) -> Result<Self, CommandError> {
        let original = Catalogue::parse("texts.en.json", original)?;
        let parse = |language| -> Result<Catalogue, CommandError> {
            let (name, text) = source(language);
            let catalogue = Catalogue::parse(&name, text)?;
            catalogue.check_like(&original, &name)?;
            Ok(catalogue)
        };
        Ok(Self([parse(Language::En)?, parse(Language::De)?]))
    }

    /// Returns the texts of a language.
    pub fn of(&self, language: Language) -> &Catalogue {
        match language {
            Language::En => &self.0[0],
            Language::De => &self.0[1],
        }
    }
}

impl Catalogue {
    fn parse(name: &str, text: &str) -> Result<Self, CommandError> {
        serde_json::from_str(text)
            .map_err(|why| CommandError::new(format!("{name} (PAGE_TEMPLATES): {why}")))
    }

    fn check_like(&self, original: &Self, file: &str) -> Result<(), CommandError> {
        let own = self.placeholders();
        let expected = original.placeholders();
        let differs =
            |(part, key): &(&str, &str)| own.get(&(*part, *key)) != expected.get(&(*part, *key));
        let Some((part, key)) = expected.keys().chain(own.keys()).copied().find(differs) else {
            return Ok(());
        };
        let why = match (own.get(&(part, key)), expected.get(&(part, key))) {
            (None, _) => "is missing".into(),
            (_, None) => "is not the key of a text".into(),
            (_, Some(names)) => format!("must have the placeholders {names:?}"),
        };
        Err(CommandError::new(format!("{file} (PAGE_TEMPLATES): {part}: {key:?} {why}")))
    }

    /// Returns the placeholders of each text, by the part of the catalogue and the key.
    fn placeholders(&self) -> BTreeMap<(&str, &str), BTreeSet<&str>> {
        let parts =
            [("texts", &self.texts), ("notices", &self.notices), ("messages", &self.messages)];
        let texts = parts.into_iter().flat_map(|(part, texts)| {
            texts.iter().map(move |(key, text)| ((part, key.as_str()), placeholders(text)))
        });
        texts.collect()
    }

    /// Returns a text of the pages, with its placeholders filled. `None` if there is no such text.
    pub fn text(&self, key: &str, values: &[(&str, String)]) -> Option<String> {
        self.texts.get(key).map(|text| fill(text, values))
    }

    /// Returns what a page tells after a change. `None` if there is no such notice: the name comes
    /// from the query of a request.
    pub fn notice(&self, name: &str) -> Option<&str> {
        self.notices.get(name).map(String::as_str)
    }

    /// Translates a message of the API. A message that is not in the catalogue stays English.
    pub fn message(&self, english: &str) -> String {
        let (key, number) = without_number(english);
        match self.messages.get(&key) {
            Some(text) => fill(text, &[("n", number)]),
            None => {
                log::error!("the pages have no text for the message: {english}");
                english.to_owned()
            }
        }
    }
}

/// Returns the names of the placeholders of a text, such as `n` of `{n}`.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// Replaces each placeholder by its value, once: a value may contain braces.
fn fill(text: &str, values: &[(&str, String)]) -> String {
    let mut pieces = text.split('{');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let placeholder = piece.split_once('}');
        let value = placeholder.and_then(|(name, rest)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, rest))
        });
        match value {
            Some((value, rest)) => filled.extend([value.as_str(), rest]),
            None => filled.extend(["{", piece]),
        }
    }
    filled
}

/// Returns the text with `{n}` in place of its first number, and the number.
fn without_number(text: &str) -> (String, String) {
    let is_digit = |c: char| c.is_ascii_digit();
    let Some(start) = text.find(is_digit) else { return (text.to_owned(), String::new()) };
    let (before, rest) = text.split_at(start);
    let end = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    (format!("{before}{{n}}{after}"), number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = include_str!("../../../templates/pages/texts.en.json");
    const GERMAN: &str = include_str!("../../../templates/pages/texts.de.json");

    fn parse(german: &str) -> Result<Catalogues, CommandError> {
        let source = |language: Language| match language {
            Language::En => ("texts.en.json".to_owned(), ENGLISH),
            Language::De => ("texts.de.json".to_owned(), german),
        };
        Catalogues::parse(source, ENGLISH)
    }

    #[test]
    fn languages_have_the_same_keys_and_placeholders() {
        let catalogues = parse(GERMAN).unwrap();
        let german = catalogues.of(Language::De);
        assert_eq!(german.text("sign_in", &[]).as_deref(), Some("Anmelden"));
        for (wrong, complaint) in [
            (GERMAN.replacen("\"sign_in\"", "\"sign_on\"", 1), "\"sign_in\" is missing"),
            (GERMAN.replacen("\"error\"", "\"x\": \"\", \"error\"", 1), "not the key of a text"),
            (GERMAN.replacen("{n}", "{m}", 1), "must have the placeholders {\"n\"}"),
            (GERMAN.replacen("\",", "\"", 3), "line 4"),
            (GERMAN.replacen("notices", "notes", 1), "unknown field `notes`"),
        ] {
            let Err(why) = parse(&wrong) else { panic!("accepted: {complaint}") };
            let why = why.to_string();
            assert!(why.starts_with("texts.de.json") && why.contains(complaint), "{why}");
        }
    }

    #[test]
    fn messages_with_numbers_are_translated() {
        let catalogues = parse(GERMAN).unwrap();
        let german = catalogues.of(Language::De);
        for (english, translated) in [
            ("The password is wrong.", "Das Passwort ist falsch."),
            (
                "Ensure this field has no more than 150 characters.",
                "Verwenden Sie höchstens 150 Zeichen.",
            ),
            ("not in the catalogue 1 2", "not in the catalogue 1 2"),
        ] {
            assert_eq!(german.message(english), translated);
        }
    }

    #[test]
    fn value_is_not_filled_again() {
        let values = [("a", "{b}".to_owned()), ("b", "x".to_owned())];
        assert_eq!(fill("{a} {b} {c} {", &values), "{b} x {c} {");
    }
}
