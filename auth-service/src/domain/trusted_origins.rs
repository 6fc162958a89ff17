//! The origins of web pages that may act for a user whose browser sends a cookie.

use reqwest::Url;

/// Where a request comes from, as the browser states it. A page cannot choose these headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatedOrigin<'a> {
    /// `Origin` (RFC 6454 section 7). `null` is an origin that no page shares.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site` (W3C Fetch Metadata section 2.3).
    pub fetch_site: Option<&'a str>,
}

impl StatedOrigin<'_> {
    /// Returns whether a page of such an origin sent the request. Without `Origin`, it must be a page
    /// of the service itself.
    fn is_of_page(self, is_expected: impl FnOnce(&str) -> bool) -> bool {
        self.origin.map_or(self.fetch_site == Some("same-origin"), is_expected)
    }
}

/// The issuer's own origin, and those of BROWSER_ORIGINS.
#[derive(Clone, Debug)]
pub struct TrustedOrigins {
    issuer: String,
    others: Vec<String>,
}

impl TrustedOrigins {
    pub fn new(issuer: &str, others: impl IntoIterator<Item = String>) -> Self {
        let url = Url::parse(issuer);
        let issuer = url.map_or_else(|_| issuer.into(), |url| url.origin().ascii_serialization());
        Self { issuer, others: others.into_iter().collect() }
    }

    /// Returns the issuer's own origin.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the origins of BROWSER_ORIGINS.
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// Returns whether a page of this origin may act for the user.
    pub fn contains(&self, origin: &str) -> bool {
        origin == self.issuer || self.others.iter().any(|other| other == origin)
    }

    /// Returns whether a request that changes something may use a cookie. A request that states no
    /// origin may not: browsers of the last years state one, and other programs have no cookie that
    /// a stranger could use.
    pub fn allow(&self, stated: StatedOrigin<'_>) -> bool {
        stated.is_of_page(|origin| self.contains(origin))
    }

    /// Returns whether a form of the issuer's own pages may have sent a request.
    pub fn allow_own(&self, stated: StatedOrigin<'_>) -> bool {
        stated.is_of_page(|origin| origin == self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated<'a>(origin: Option<&'a str>, fetch_site: Option<&'a str>) -> StatedOrigin<'a> {
        StatedOrigin { origin, fetch_site }
    }

    #[test]
    fn only_trusted_origins_may_use_a_cookie() {
        let app = "https://app.example.com".to_owned();
        let origins = TrustedOrigins::new("https://example.com/auth", [app]);
        assert_eq!(origins.issuer(), "https://example.com");
        for (origin, fetch_site, may, own) in [
            (Some("https://example.com"), None, true, true),
            (Some("https://app.example.com"), Some("same-site"), true, false),
            (None, Some("same-origin"), true, true),
            (None, Some("same-site"), false, false),
            (None, Some("cross-site"), false, false),
            (None, Some("none"), false, false),
            (None, None, false, false),
            (Some("null"), Some("same-origin"), false, false),
            (Some("https://evil.example"), Some("same-origin"), false, false),
            (Some("https://example.com:8443"), None, false, false),
            (Some("http://example.com"), None, false, false),
            (Some("https://example.com.evil.example"), None, false, false),
            (Some("https://example.com, https://evil.example"), None, false, false),
            (Some(""), None, false, false),
        ] {
            assert_eq!(origins.allow(stated(origin, fetch_site)), may, "{origin:?} {fetch_site:?}");
            let allows_own = origins.allow_own(stated(origin, fetch_site));
            assert_eq!(allows_own, own, "{origin:?} {fetch_site:?}");
        }
    }
}
