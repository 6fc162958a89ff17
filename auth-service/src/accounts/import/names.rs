//! Usernames for users whose names in the other system cannot be kept.

use crate::domain::username::{MAX_CHARS, MIN_CHARS, Username};

/// Returns a name that is as similar to `text` as the rules allow: `_` takes the place of each
/// character that they forbid. `None` if no character is left.
pub fn nearest(text: &str) -> Option<Username> {
    let replace = |c: char| if c.is_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    let mut name: String = text.chars().take(MAX_CHARS).map(replace).collect();
    if !name.chars().any(char::is_alphanumeric) {
        return None;
    }
    while name.chars().count() < MIN_CHARS {
        name.push('_');
    }
    // NFKC can lengthen a name, or yield characters that the rules forbid.
    Username::parse(&name).ok()
}

/// Returns the name with a number after it: `ada-2`.
pub fn with_suffix(name: &str, number: u32) -> Option<Username> {
    let suffix = format!("-{number}");
    let kept = MAX_CHARS - suffix.chars().count();
    let start: String = name.chars().take(kept).collect();
    Username::parse(&format!("{start}{suffix}")).ok()
}

/// Returns whether a folded name is that of `folded_base`, or of it with a number after it.
pub fn is_variant(folded: &str, folded_base: &str) -> bool {
    let Some(rest) = folded.strip_prefix(folded_base) else { return false };
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_name_keeps_the_rules() {
        fn nearest(text: &str) -> Option<String> {
            super::nearest(text).map(|name| name.as_str().to_owned())
        }
        for (text, name) in [
            ("ada@example.com", "ada_example.com"),
            ("a b", "a_b"),
            ("ab", "ab_"),
            ("ada\0", "ada_"),
            (&"x".repeat(200), &"x".repeat(150)),
        ] {
            assert_eq!(nearest(text).as_deref(), Some(name));
        }
        assert_eq!(nearest("@@@"), None);
        assert_eq!(nearest(""), None);
        let long = with_suffix(&"x".repeat(150), 12).unwrap();
        assert_eq!(long.as_str(), format!("{}-12", "x".repeat(147)));
        for (folded, expected) in
            [("ada", true), ("ada-2", true), ("ada-", false), ("ada-x", false), ("adam", false)]
        {
            assert_eq!(is_variant(folded, "ada"), expected, "{folded}");
        }
    }
}
