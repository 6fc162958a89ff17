//! Where an issuer publishes its metadata.

use reqwest::Url;

/// Returns the URLs of an issuer's metadata, in the order in which the verifier tries them. `None` if
/// the issuer is not a URL.
///
/// 1. The path of OAuth 2.0, which stands before the issuer's own path (RFC 8414 section 3.1).
/// 2. The path of OpenID Connect, which stands after it (Discovery 1.0 section 4).
///
/// ```
/// use shared::discovery::metadata_urls;
///
/// let [oauth, openid] = metadata_urls("https://example.com/auth").unwrap();
/// assert_eq!(oauth, "https://example.com/.well-known/oauth-authorization-server/auth");
/// assert_eq!(openid, "https://example.com/auth/.well-known/openid-configuration");
/// ```
pub fn metadata_urls(issuer: &str) -> Option<[String; 2]> {
    let issuer = issuer.trim_end_matches('/');
    let mut oauth = Url::parse(issuer).ok()?;
    let path = oauth.path().trim_end_matches('/').to_owned();
    oauth.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Some([oauth.into(), format!("{issuer}/.well-known/openid-configuration")])
}
