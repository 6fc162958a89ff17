//! Usernames: 3 to 150 letters, digits and `_.-` after NFKC, unique without regard to case (full case
//! folding).

use unicode_normalization::UnicodeNormalization;

use super::fold::{NameKeys, fold, key_of_version_0_1};

/// Minimum number of characters of a username.
pub const MIN_CHARS: usize = 3;
/// Maximum number of characters of a username.
pub const MAX_CHARS: usize = 150;

/// Maximum number of characters before NFKC, which composes at most four characters into one letter
/// on average. Longer text is refused without the cost of normalising it.
const MAX_RAW_CHARS: usize = 4 * MAX_CHARS;

/// The letters that are invisible (`Default_Ignorable_Code_Point` in Unicode) and that NFKC keeps.
const INVISIBLE: [char; 4] = ['\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}'];

/// A name to log in with. It is not an identifier, because a user may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Parses and normalises a name.
    ///
    /// # Errors
    /// The messages for the client: one for each rule that the name breaks.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let too_long = || format!("Ensure this field has no more than {MAX_CHARS} characters.");
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        if text.chars().count() > MAX_RAW_CHARS {
            return Err(vec![too_long()]);
        }
        let name: String = text.nfkc().collect();
        let mut errors = Vec::new();
        if name.chars().count() < MIN_CHARS {
            errors.push(format!("Ensure this field has at least {MIN_CHARS} characters."));
        }
        if name.chars().count() > MAX_CHARS {
            errors.push(too_long());
        }
        if !name.chars().all(is_allowed) {
            errors.push("Enter a valid username: letters, digits and _ . - only.".into());
        }
        if errors.is_empty() { Ok(Self(name)) } else { Err(errors) }
    }

    /// Returns the name in the user's spelling, normalised.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the texts that all spellings of this name share.
    pub fn keys(&self) -> NameKeys {
        NameKeys { key: key_of_version_0_1(&self.0), folded: fold(&self.0) }
    }
}

fn is_allowed(c: char) -> bool {
    (c.is_alphanumeric() || "_.-".contains(c)) && !INVISIBLE.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        let folded = |name| Username::parse(name).unwrap().keys().folded;
        for (one, other) in [("Straße", "STRAẞE"), ("ΑΣΑΣ", "ασας"), ("Ada", "aDA")] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
    }

    #[test]
    fn text_that_is_too_short_too_long_or_not_a_name_is_refused() {
        for bad in [
            "",
            "ab",
            "a b c",
            "ada@home",
            "ada\0",
            "ada\n",
            "ada/..",
            "\u{202e}ada",
            &"x".repeat(151),
            &"e\u{301}".repeat(151),
            &"x".repeat(100_000),
            "ada\u{3164}",
            "ada\u{115f}",
            "ada\u{ffa0}",
            &"ﷺ".repeat(9),
        ] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
        let longest = "x".repeat(150);
        let longest_decomposed = "e\u{301}".repeat(150);
        for good in ["abc", "a.b-c_1", "Zoë", "李小龍", &longest, &longest_decomposed] {
            assert!(Username::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn every_broken_rule_is_reported() {
        assert_eq!(Username::parse("a!").unwrap_err().len(), 2);
    }
}
