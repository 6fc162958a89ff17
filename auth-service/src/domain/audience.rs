//! The audiences of an access token: the services that may accept it (RFC 7519 section 4.1.3).

use shared::claims::Audience;

/// Parses the name of an audience. It has no spaces, because the database separates several with
/// them.
///
/// # Errors
/// The rule that the name breaks.
pub fn parse_name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".into()),
        name if name.contains(char::is_whitespace) => Err("must not contain spaces".into()),
        name => Ok(name.into()),
    }
}

/// Error returned when a caller asks for an audience that it may not have, or has no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audience is not one that may be granted")]
pub struct AudienceNotGranted;

/// Returns the audience of a token: everything in `granted`, or `wanted`, which must be a part of it
/// (RFC 8707 section 2.2). An empty `wanted` asks for everything.
///
/// # Errors
/// [`AudienceNotGranted`], also if nothing is granted: no token is for no service.
pub fn narrow(granted: &[String], wanted: &[String]) -> Result<Audience, AudienceNotGranted> {
    let wanted = if wanted.is_empty() { granted } else { wanted };
    if wanted.is_empty() || !wanted.iter().all(|name| granted.contains(name)) {
        return Err(AudienceNotGranted);
    }
    // In the order of `granted`, without duplicates.
    let names: Vec<String> = granted.iter().filter(|name| wanted.contains(name)).cloned().collect();
    Ok(names.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn part_of_the_granted_audiences_is_granted() {
        let granted = names(&["api", "reports", "https://auth.example.com"]);
        assert_eq!(narrow(&granted, &[]), Ok(granted.clone().into()));
        for (wanted, expected) in [
            (&["reports"][..], &["reports"][..]),
            (&["reports", "api"], &["api", "reports"]),
            (&["api", "api"], &["api"]),
        ] {
            assert_eq!(narrow(&granted, &names(wanted)), Ok(names(expected).into()));
        }
        for wanted in [&["other"][..], &["api", "other"], &["API"], &[""]] {
            assert_eq!(narrow(&granted, &names(wanted)), Err(AudienceNotGranted));
        }
        for wanted in [&[][..], &["api"]] {
            assert_eq!(narrow(&[], &names(wanted)), Err(AudienceNotGranted));
        }
    }
}
