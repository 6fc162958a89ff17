//! The page to which a user returns after signing in. Only pages of the issuer and of the origins in
//! BROWSER_ORIGINS are accepted: a link to the sign-in page must not lead to a stranger's site.

use reqwest::Url;

use super::trusted_origins::TrustedOrigins;

/// Maximum length of an address, in bytes.
const MAX_BYTES: usize = 2000;

/// Which pages a user may return to.
#[derive(Clone, Debug)]
pub struct ReturnTargets {
    issuer: Url,
    origins: TrustedOrigins,
}

/// The address of a page to which a user may return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTargets {
    /// Returns the targets. `None` if the issuer is not a URL.
    pub fn new(issuer: &str, origins: TrustedOrigins) -> Option<Self> {
        Some(Self { issuer: Url::parse(issuer).ok()?, origins })
    }

    /// Parses an absolute URL, or a path on the issuer that starts with one slash. `None` if a user
    /// may not return there.
    ///
    /// A text that browsers and servers may read in different ways is refused even where browsers
    /// would stay on an allowed origin.
    pub fn parse(&self, text: &str) -> Option<ReturnTo> {
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
        if text.len() > MAX_BYTES || !text.chars().all(is_plain) {
            return None;
        }
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let is_absolute = text.starts_with("https://") || text.starts_with("http://");
        if !is_path && !is_absolute {
            return None;
        }
        let url = self.issuer.join(text).ok()?;
        let is_allowed = self.origins.contains(&url.origin().ascii_serialization());
        let has_user = !url.username().is_empty() || url.password().is_some();
        let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        let is_accepted = is_allowed
            && !has_user
            && (is_path || !authority.is_empty() && !authority.contains('@'))
            && is_plain_path(url.path());
        is_accepted.then(|| ReturnTo(url.into()))
    }
}

/// Returns whether a path begins with one slash, also after it is decoded: a proxy that decodes paths
/// would otherwise see `//host`.
fn is_plain_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    !["//", "/%2f", "/%5c"].iter().any(|start| path.starts_with(start))
}

impl ReturnTo {
    /// Returns the address, which is an absolute URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> ReturnTargets {
        let issuer = "https://auth.example.com/login";
        let others = ["https://app.example.com", "http://localhost:3000"].map(str::to_owned);
        ReturnTargets::new(issuer, TrustedOrigins::new(issuer, others)).unwrap()
    }

    #[test]
    fn pages_of_the_issuer_and_of_the_browser_origins_are_accepted() {
        for (text, expected) in [
            ("/", "https://auth.example.com/"),
            ("/account", "https://auth.example.com/account"),
            ("/a?next=%2Fb&x=//c#d", "https://auth.example.com/a?next=%2Fb&x=//c#d"),
            ("/a/../b", "https://auth.example.com/b"),
            ("/projects/a%2Fb", "https://auth.example.com/projects/a%2Fb"),
            ("/zoë", "https://auth.example.com/zo%C3%AB"),
            ("https://auth.example.com/hello", "https://auth.example.com/hello"),
            ("https://AUTH.example.com:443/x", "https://auth.example.com/x"),
            ("https://app.example.com", "https://app.example.com/"),
            ("https://app.example.com/a?b=c@d", "https://app.example.com/a?b=c@d"),
            ("http://localhost:3000/x", "http://localhost:3000/x"),
        ] {
            let parsed = targets().parse(text).unwrap_or_else(|| panic!("refused {text}"));
            assert_eq!(parsed.as_str(), expected, "{text}");
        }
    }

    #[test]
    fn every_open_redirect_is_refused() {
        let long = format!("/{}", "x".repeat(MAX_BYTES));
        for text in [
            "",
            " ",
            "account",
            "?x",
            "#x",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "//evil.example/https://auth.example.com",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/ /evil.example",
            "\u{a0}//evil.example",
            "\u{2028}//evil.example",
            "/\0/evil.example",
            "\0//evil.example",
            "/./\\evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/%2e%2e//evil.example",
            "/%2f/evil.example",
            "/%2F%2Fevil.example",
            "/%5cevil.example",
            "/%5C%5Cevil.example",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "java\nscript:alert(1)",
            "javascript://auth.example.com/%0aalert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://auth.example.com/x",
            "file:///etc/passwd",
            "ftp://auth.example.com/",
            "view-source:https://auth.example.com/",
            "http:evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https:\\\\evil.example",
            "https://evil.example",
            "https://evil.example/https://auth.example.com",
            "https://evil.example?https://auth.example.com",
            "https://evil.example#https://auth.example.com",
            "https://evil.example\\@auth.example.com",
            "https://auth.example.com@evil.example",
            "https://auth.example.com:x@evil.example",
            "https://auth.example.com%40evil.example",
            "https://user@auth.example.com",
            "https://user:password@auth.example.com",
            "https://@auth.example.com",
            "https://:@auth.example.com",
            "https://auth.example.com.evil.example",
            "https://auth.example.comevil.example",
            "https://evilauth.example.com",
            "https://sub.app.example.com",
            "https://app.example.com.",
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://app.example.com:80",
            "http://auth.example.com",
            "https://localhost:3000",
            "http://localhost:3001",
            "https://app。example。com.evil.example",
            "https://ａpp.evil.example",
            "https://[::ffff:127.0.0.1]/",
            "https://0x7f000001/",
            "https://auth.example.com//evil.example",
            "https://auth.example.com/%2f%2fevil.example",
            "https://auth.example.com/\r\nSet-Cookie: a=b",
            "/a\r\nLocation: https://evil.example",
            "/\u{85}",
            "https://",
            "http://",
            "https://?",
            &long,
        ] {
            assert_eq!(targets().parse(text), None, "accepted {text:?}");
        }
    }
}
