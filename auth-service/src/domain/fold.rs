//! Comparison of names without regard to spelling.

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;

/// The texts that all spellings of one name share, by which the database finds the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameKeys {
    /// Key by the rule of version 0.1.0, which every user has.
    pub key: String,
    /// Key by Unicode's full case folding. For an email address, the domain is an A-label.
    pub folded: String,
}

/// Returns the text that all spellings of `text` share: NFKC and full case folding (Unicode section
/// 3.13.5, compatibility caseless matching).
pub fn fold(text: &str) -> String {
    // A folded text may have to be composed, and a composed text folded.
    fold_once(&fold_once(text)).nfkc().collect()
}

fn fold_once(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    CaseMapper::new().fold_string(&composed).into_owned()
}

/// Returns the key by the rule of version 0.1.0, which keeps some spellings of one name apart (`ß`
/// and `ẞ`) and makes some names equal that are not (`ı` and `i`). The previous version finds users
/// by this key.
pub(super) fn key_of_version_0_1(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_uppercase().to_lowercase();
    folded.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_text_fold_to_one_text() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("straße", "STRAẞE"),
            ("ΑΣΑΣ", "ασας"),
            ("ﬁnn", "FINN"),
            ("Ａｄａ", "ada"),
            ("ᾳ", "ΑΙ"),
            ("K\u{301}", "\u{212a}\u{301}"),
            ("e\u{301}", "É"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
            assert_eq!(fold(&fold(one)), fold(one), "{one}");
        }
        for (one, other) in [("ı", "i"), ("ö", "o"), ("а", "a")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }
}
