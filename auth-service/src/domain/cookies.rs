//! Names and attributes of the cookies that browsers keep (RFC 6265bis).

use std::{net::IpAddr, str::FromStr};

use reqwest::Url;

/// Time that a browser keeps the cookie of a device, in seconds: the longest that browsers accept
/// (RFC 6265bis section 5.5).
const DEVICE_SECS: i64 = 400 * 24 * 3600;

/// Requests of other sites with which browsers send a cookie (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Those that open a page: a user who follows a link from a mail is signed in.
    Lax,
    /// None.
    Strict,
}

impl FromStr for SameSite {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "lax" => Ok(Self::Lax),
            "strict" => Ok(Self::Strict),
            _ => Err("must be lax or strict"),
        }
    }
}

impl SameSite {
    fn name(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
        }
    }
}

/// How browsers keep the sessions of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookiePolicy {
    /// Name of the cookie of a session.
    pub session_name: &'static str,
    /// Name of the cookie that shows that a device is known.
    pub device_name: &'static str,
    is_secure: bool,
    same_site: SameSite,
}

impl CookiePolicy {
    /// Returns the policy for an issuer. With the prefix `__Host-`, a browser keeps the cookie for
    /// one host, and lets no other host set it. An issuer on http, which must be on loopback, has
    /// other names, because the prefix needs https. Cookies ignore ports, so these names are not
    /// those that other programs on the same machine use.
    ///
    /// Returns `None` for any other issuer: the network would carry the cookie in the clear.
    pub fn new(issuer: &str, same_site: SameSite) -> Option<Self> {
        let url = Url::parse(issuer).ok()?;
        let is_secure = url.scheme() == "https";
        let (session_name, device_name) = match is_secure {
            true => ("__Host-session", "__Host-device"),
            false if is_loopback(&url) => ("auth-session", "auth-device"),
            false => return None,
        };
        Some(Self { session_name, device_name, is_secure, same_site })
    }

    /// Returns the header `Set-Cookie` of the cookie of a session.
    pub fn set_session(&self, value: &str, max_age_secs: i64) -> String {
        self.set(self.session_name, value, max_age_secs)
    }

    /// Returns the header `Set-Cookie` that removes the cookie of a session.
    pub fn remove_session(&self) -> String {
        self.set(self.session_name, "", 0)
    }

    /// Returns the header `Set-Cookie` of the cookie of a device.
    pub fn set_device(&self, value: &str) -> String {
        self.set(self.device_name, value, DEVICE_SECS)
    }

    fn set(&self, name: &str, value: &str, max_age_secs: i64) -> String {
        let same_site = self.same_site.name();
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!(
            "{name}={value}; Path=/; Max-Age={max_age_secs}; HttpOnly; SameSite={same_site}{secure}"
        )
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_of_an_https_issuer_is_bound_to_its_host() {
        let policy = CookiePolicy::new("https://example.com/auth", SameSite::Lax).unwrap();
        assert_eq!(
            policy.set_session("value", 60),
            "__Host-session=value; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            policy.remove_session(),
            "__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            policy.set_device("value"),
            "__Host-device=value; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn cookie_without_tls_is_for_loopback_only() {
        for issuer in
            ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost", "http://a.localhost"]
        {
            let policy = CookiePolicy::new(issuer, SameSite::Strict).unwrap();
            assert_eq!(
                policy.set_session("value", 60),
                "auth-session=value; Path=/; Max-Age=60; HttpOnly; SameSite=Strict",
                "{issuer}"
            );
        }
        for issuer in ["http://auth.example.com", "http://10.0.0.1:8080", "http://localhost.evil"] {
            assert_eq!(CookiePolicy::new(issuer, SameSite::Lax), None, "{issuer}");
        }
    }
}
