//! The form in which issuers are compared.

/// Returns an issuer's URL without a trailing slash. Some issuers write the slash in the claim `iss`
/// and in their metadata, and some callers do not write it. Both URLs name the same server, so the
/// verifier accepts both forms, and no other difference (RFC 7519 section 4.1.1).
pub(crate) fn without_trailing_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}
