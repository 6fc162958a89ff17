//! [`VerifyError`]: why a token is refused, and the response to the client (RFC 6750 section 3).

use crate::problem::Problem;

/// Error returned when an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The request has no `Authorization` header.
    #[error("the request has no access token")]
    Missing,
    /// The `Authorization` header is not `Bearer` and one token, or the request has several.
    #[error("the Authorization header must be \"Bearer\" and one token")]
    MalformedHeader,
    /// The token is not a compact JWS, a part is not JSON, or a claim is missing or mistyped.
    #[error("the token is malformed")]
    Malformed,
    /// The algorithm is not one of [`Algorithm::ALL`](crate::keys::Algorithm::ALL), or not the
    /// algorithm of the key.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// The header `typ` or the claim `token_type` is not that of an access token.
    #[error("the token is not an access token")]
    WrongType,
    /// The header has `crit`. No extension is supported (RFC 7515 section 4.1.11).
    #[error("the token requires an extension that is not supported")]
    Critical,
    /// The issuer has no key with the token's key id (`kid`).
    #[error("the token's signing key is not known")]
    UnknownKey,
    /// The signature is not valid for the header and the payload.
    #[error("the token's signature is not valid")]
    Signature,
    /// The time `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// The time `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Another issuer issued the token.
    #[error("the token is from another issuer")]
    Issuer,
    /// The token is for another resource server.
    #[error("the token is for another audience")]
    Audience,
    /// The token's session has ended.
    #[error("the token's session has ended")]
    Revoked,
    /// The token is valid, but does not have this required scope.
    #[error("the scope {0} is required")]
    InsufficientScope(&'static str),
    /// The token is valid, but the user does not have this required role.
    #[error("the role {0} is required")]
    MissingRole(&'static str),
    /// The verifier does not know which sessions have ended, and the outage policy refuses tokens.
    #[error("the token's session cannot be checked at the moment")]
    RevocationsUnavailable,
    /// The verifier has no keys of the issuer yet.
    #[error("tokens cannot be verified at the moment")]
    KeysUnavailable,
}

impl VerifyError {
    /// Returns the HTTP status of the response: 401, 403 or 503.
    pub fn status(self) -> u16 {
        match self {
            Self::InsufficientScope(_) | Self::MissingRole(_) => 403,
            Self::KeysUnavailable | Self::RevocationsUnavailable => 503,
            _ => 401,
        }
    }

    /// Returns the `WWW-Authenticate` header of a 401 or 403 (RFC 6750 section 3), and `None` for
    /// a 503.
    pub fn challenge(self) -> Option<String> {
        let error = match self {
            Self::KeysUnavailable | Self::RevocationsUnavailable => return None,
            // A request without credentials gets no error code (RFC 6750 section 3.1).
            Self::Missing => return Some("Bearer".into()),
            Self::MalformedHeader => "invalid_request",
            Self::InsufficientScope(scope) => return Some(insufficient_scope(Some(scope))),
            Self::MissingRole(_) => return Some(insufficient_scope(None)),
            _ => "invalid_token",
        };
        Some(format!(r#"Bearer error="{error}""#))
    }

    /// Returns the body of the response.
    pub fn problem(self) -> Problem {
        let code = match self {
            Self::Missing => "not_authenticated",
            Self::MalformedHeader => "authentication_failed",
            Self::InsufficientScope(_) | Self::MissingRole(_) => "permission_denied",
            Self::KeysUnavailable | Self::RevocationsUnavailable => "unavailable",
            _ => "token_not_valid",
        };
        Problem::new(self.status(), code, sentence(&self.to_string()))
    }
}

/// Returns the `WWW-Authenticate` header of a 403, with the required scope if one is given
/// (RFC 6750 section 3.1).
pub fn insufficient_scope(scope: Option<&str>) -> String {
    let scope = scope.map_or_else(String::new, |scope| format!(r#", scope="{scope}""#));
    format!(r#"Bearer error="insufficient_scope"{scope}"#)
}

/// Returns an error's text, which starts in lower case, as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    format!("{}{}.", first.to_uppercase(), chars.as_str())
}
