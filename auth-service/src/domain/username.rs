//! Usernames: 3 to 150 letters, digits and `_.-` after NFKC, unique without regard to case.

use unicode_normalization::UnicodeNormalization;

use super::uniqueness_key;

const MIN_CHARS: usize = 3;
const MAX_CHARS: usize = 150;

/// Letters that nobody can see, as Unicode has it (`Default_Ignorable_Code_Point`), after NFKC.
const INVISIBLE: [char; 4] = ['\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}'];

/// A name to log in with. Not an identifier: it may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The normalised name, or every reason why it cannot be one.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let too_long = || format!("Ensure this field has no more than {MAX_CHARS} characters.");
        let mut wrong = Vec::new();
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        // No letter of NFKC is made of more than four characters on average: what is longer need not be normalised.
        if text.chars().count() > 4 * MAX_CHARS {
            return Err(vec![too_long()]);
        }
        let name: String = text.nfkc().collect();
        if name.chars().count() < MIN_CHARS {
            wrong.push(format!("Ensure this field has at least {MIN_CHARS} characters."));
        }
        if name.chars().count() > MAX_CHARS {
            wrong.push(too_long());
        }
        if !name.chars().all(|c| (c.is_alphanumeric() || "_.-".contains(c)) && !INVISIBLE.contains(&c)) {
            wrong.push("Enter a valid username: letters, digits and _ . - only.".into());
        }
        if wrong.is_empty() { Ok(Self(name)) } else { Err(wrong) }
    }

    /// The name as people see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it unique.
    pub fn uniqueness_key(&self) -> String {
        uniqueness_key(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        for (one, other) in
            [("Ada", "aDA"), ("Straße", "STRASSE"), ("ΑΣΑΣ", "ασας"), ("ﬁnn", "FINN"), ("Ａｄａ", "ada")]
        {
            assert_eq!(
                Username::parse(one).unwrap().uniqueness_key(),
                Username::parse(other).unwrap().uniqueness_key(),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn refuses_what_is_too_short_too_long_or_not_a_name() {
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
        for good in ["abc", "a.b-c_1", "Zoë", "李小龍", &"x".repeat(150), &"e\u{301}".repeat(150)] {
            assert!(Username::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn reports_every_fault_at_once() {
        assert_eq!(Username::parse("a!").unwrap_err().len(), 2);
    }
}
