//! What a verifier does with tokens while it cannot learn which sessions have ended.

use std::{fmt, str::FromStr, time::Duration};

/// How a verifier treats tokens while it cannot learn which sessions have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutagePolicy {
    /// They are accepted until they expire.
    #[default]
    UntilExpiry,
    /// They are accepted for this long.
    Bounded(Duration),
    /// They are refused.
    Closed,
}

impl OutagePolicy {
    /// Whether tokens are accepted when nobody has been able to tell for this long.
    pub fn accepts_after(self, silence: Duration) -> bool {
        match self {
            Self::UntilExpiry => true,
            Self::Bounded(limit) => silence < limit,
            Self::Closed => false,
        }
    }
}

impl FromStr for OutagePolicy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = || text.strip_prefix("bounded:")?.parse().ok();
        match (text, seconds()) {
            ("until_expiry", _) => Ok(Self::UntilExpiry),
            ("closed", _) => Ok(Self::Closed),
            (_, Some(seconds)) => Ok(Self::Bounded(Duration::from_secs(seconds))),
            _ => Err("must be until_expiry, bounded:SECONDS or closed"),
        }
    }
}

impl fmt::Display for OutagePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntilExpiry => f.write_str("until_expiry"),
            Self::Bounded(limit) => write!(f, "bounded:{}", limit.as_secs()),
            Self::Closed => f.write_str("closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_read_as_it_is_written() {
        for text in ["until_expiry", "bounded:30", "closed"] {
            assert_eq!(text.parse::<OutagePolicy>().unwrap().to_string(), text);
        }
        for bad in ["", "open", "bounded", "bounded:", "bounded:-1", "bounded:x"] {
            assert!(bad.parse::<OutagePolicy>().is_err(), "{bad}");
        }
    }
}
