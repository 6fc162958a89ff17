//! [`OutagePolicy`]: how tokens are treated while the revocation feed cannot be followed.

use std::{fmt, str::FromStr, time::Duration};

/// How a verifier treats tokens while it cannot follow the revocation feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutagePolicy {
    /// Accepts tokens until they expire.
    #[default]
    UntilExpiry,
    /// Accepts tokens for this long, then refuses them.
    Bounded(Duration),
    /// Refuses tokens.
    Closed,
}

impl OutagePolicy {
    /// Returns `true` if tokens are accepted after this time without the feed.
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
        match text {
            "until_expiry" => Ok(Self::UntilExpiry),
            "closed" => Ok(Self::Closed),
            _ => seconds()
                .map(|seconds| Self::Bounded(Duration::from_secs(seconds)))
                .ok_or("must be until_expiry, bounded:SECONDS or closed"),
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
    fn text_and_policy_convert_both_ways() {
        for text in ["until_expiry", "bounded:30", "closed"] {
            assert_eq!(text.parse::<OutagePolicy>().unwrap().to_string(), text);
        }
        for bad in ["", "open", "bounded", "bounded:", "bounded:-1", "bounded:x"] {
            assert!(bad.parse::<OutagePolicy>().is_err(), "{bad}");
        }
    }
}
