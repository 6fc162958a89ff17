//! Languages of mails and pages.

use serde::{Deserialize, Serialize};

/// Language of a user.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    De,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// Returns the tag (RFC 5646), which is also the language's name in the database.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// Returns the language that has exactly this tag, for a choice among [`Language::ALL`].
    pub fn with_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// Returns the language of a tag. The region is ignored: `de-AT` is German. `None` if there are
    /// no texts in the language.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// Returns the language that an `Accept-Language` header prefers (RFC 9110 section 12.5.4), or
    /// English if there are no texts in any of its languages.
    pub fn from_accept_language(header: &str) -> Self {
        let mut best = (0, Self::default());
        for range in header.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let Some(language) = Self::from_tag(tag.trim()) else { continue };
            let weight = quality(parameters);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// Returns the thousandths of a `q` parameter. A malformed parameter counts as 0.
fn quality(parameters: &str) -> u32 {
    let Some((_, value)) = parameters.split_once('=') else { return 1000 };
    let value: f32 = value.trim().parse().unwrap_or_default();
    (value.clamp(0.0, 1.0) * 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_with_texts_is_chosen() {
        for (header, expected) in [
            ("", Language::En),
            ("de", Language::De),
            ("de-AT, en;q=0.8", Language::De),
            ("en;q=0.3, DE;q=0.4", Language::De),
            ("fr, de;q=0.1", Language::De),
            ("fr;q=1, *", Language::En),
            ("de;q=0, en;q=0.1", Language::En),
            ("de;q=x", Language::En),
            ("en, de", Language::En),
        ] {
            assert_eq!(Language::from_accept_language(header), expected, "{header}");
        }
    }
}
