//! The way of a user who is not signed in: from a service behind a proxy to the sign-in page, and
//! back.

use reqwest::Url;

use super::trusted_origins::TrustedOrigins;

/// The URL that a client asked a proxy for, in the parts that proxies state.
#[derive(Clone, Copy, Debug)]
pub struct ForwardedUrl<'a> {
    /// `X-Forwarded-Proto`.
    pub scheme: &'a str,
    /// `X-Forwarded-Host`: a host, with or without a port.
    pub host: &'a str,
    /// `X-Forwarded-Uri`: a path, with or without a query.
    pub target: &'a str,
}

impl ForwardedUrl<'_> {
    /// Parses the URL. `None` if a part contains more than its name says, or characters that
    /// programs read in different ways.
    fn parse(self) -> Option<Url> {
        let is_plain = |c: char| c.is_ascii_graphic() && c != '\\' && c != '#';
        if !matches!(self.scheme, "http" | "https")
            || ![self.host, self.target].iter().all(|part| part.chars().all(is_plain))
            || !self.target.starts_with('/')
            || self.host.contains(['/', '?', '@', ',', '%'])
        {
            return None;
        }
        // The path and the query cannot change the origin, because they are set afterwards.
        let mut url = Url::parse(&format!("{}://{}", self.scheme, self.host)).ok()?;
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target, None),
        };
        url.set_path(path);
        url.set_query(query);
        Some(url)
    }
}

/// Why a user is not redirected to the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRedirect {
    /// The proxy states no URL.
    UnknownUrl,
    /// The service is at this origin, where browsers do not send the issuer's cookie: a redirect
    /// would have no end.
    OutOfReach(String),
    /// The service is at this origin, to which the sign-in page does not return.
    Untrusted(String),
}

/// Returns the URL of the sign-in page, from which the user returns to the original URL.
///
/// # Errors
/// [`NoRedirect`].
pub fn sign_in_redirect(
    issuer: &str,
    origins: &TrustedOrigins,
    original: ForwardedUrl<'_>,
) -> Result<Url, NoRedirect> {
    let original = original.parse().ok_or(NoRedirect::UnknownUrl)?;
    let mut page = Url::parse(issuer).map_err(|_| NoRedirect::UnknownUrl)?;
    let origin = original.origin().ascii_serialization();
    // A cookie ignores ports, and one of an issuer on https needs https.
    if (original.scheme(), original.host()) != (page.scheme(), page.host()) {
        return Err(NoRedirect::OutOfReach(origin));
    }
    if !origins.contains(&origin) {
        return Err(NoRedirect::Untrusted(origin));
    }
    let path = format!("{}/sign-in", page.path().trim_end_matches('/'));
    page.set_path(&path);
    page.query_pairs_mut().append_pair("return_to", original.as_str());
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://example.com/auth";

    fn redirect(scheme: &str, host: &str, target: &str) -> Result<Url, NoRedirect> {
        let others = ["https://example.com:8443", "https://app.example.com"].map(str::to_owned);
        let origins = TrustedOrigins::new(ISSUER, others);
        sign_in_redirect(ISSUER, &origins, ForwardedUrl { scheme, host, target })
    }

    #[test]
    fn user_returns_to_the_original_url() {
        for (host, target, return_to) in [
            ("example.com", "/", "https://example.com/"),
            ("EXAMPLE.com:443", "/tool?a=b&c=%2F", "https://example.com/tool?a=b&c=%2F"),
            ("example.com:8443", "/a/../b", "https://example.com:8443/b"),
            ("example.com", "//evil.example/x", "https://example.com//evil.example/x"),
            ("example.com", "/@evil.example", "https://example.com/@evil.example"),
        ] {
            let page = redirect("https", host, target).unwrap();
            let (start, query) = page.as_str().split_once('?').unwrap();
            assert_eq!(start, "https://example.com/auth/sign-in");
            assert_eq!(
                page.query_pairs().collect::<Vec<_>>(),
                [("return_to".into(), return_to.into())]
            );
            assert!(query.starts_with("return_to=https%3A%2F%2Fexample.com"), "{query}");
        }
    }

    #[test]
    fn issuer_without_a_path_has_the_page_at_its_root() {
        let issuer = "http://127.0.0.1:8080";
        let origins = TrustedOrigins::new(issuer, ["http://127.0.0.1:8081".to_owned()]);
        let original = ForwardedUrl { scheme: "http", host: "127.0.0.1:8081", target: "/hello" };
        assert_eq!(
            sign_in_redirect(issuer, &origins, original).unwrap().as_str(),
            "http://127.0.0.1:8080/sign-in?return_to=http%3A%2F%2F127.0.0.1%3A8081%2Fhello"
        );
    }

    #[test]
    fn malformed_parts_are_no_url() {
        for host in [
            "",
            "user@example.com",
            "user:password@example.com",
            "example.com@evil.example",
            "example.com\\@evil.example",
            "example.com\\.evil.example",
            "example.com/evil",
            "example.com?evil",
            "example.com#evil",
            "example.com, evil.example",
            "example.com,evil.example",
            "example.com evil.example",
            "example.com\t",
            "example%2ecom",
            "example.com:443:443",
            "example.com:x",
            ":443",
            "exampl\u{e9}.com",
        ] {
            assert_eq!(redirect("https", host, "/"), Err(NoRedirect::UnknownUrl), "{host:?}");
        }
        for scheme in ["", "HTTPS", "https,http", "https:", "ftp", "javascript", "https://x"] {
            let refused = redirect(scheme, "example.com", "/");
            assert_eq!(refused, Err(NoRedirect::UnknownUrl), "{scheme:?}");
        }
        for target in ["", "tool", "@evil.example", "/\\evil", "/a b", "/#x", "/\n", "/\u{e9}"] {
            let refused = redirect("https", "example.com", target);
            assert_eq!(refused, Err(NoRedirect::UnknownUrl), "{target:?}");
        }
    }

    #[test]
    fn strangers_and_hosts_without_the_cookie_are_refused() {
        for (scheme, host) in [
            ("http", "example.com"),
            ("https", "evil.example"),
            ("https", "example.com.evil.example"),
            ("https", "example.com."),
            ("https", "sub.example.com"),
            // Trusted, but its browser has no cookie for it.
            ("https", "app.example.com"),
        ] {
            let refused = redirect(scheme, host, "/secret?token=1");
            let origin = format!("{scheme}://{host}");
            assert_eq!(refused, Err(NoRedirect::OutOfReach(origin)), "{scheme} {host}");
        }
        let refused = redirect("https", "example.com:8444", "/");
        assert_eq!(refused, Err(NoRedirect::Untrusted("https://example.com:8444".into())));
    }
}
