//! Every reason for refusing a token, and how it is answered (RFC 6750 section 3.1).

use crate::problem::Problem;

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No `Authorization` header.
    #[error("no access token was given")]
    Missing,
    /// An `Authorization` header that is not `Bearer` and one token.
    #[error("the Authorization header is not \"Bearer\" and one token")]
    MalformedHeader,
    /// Not a compact JWS, not JSON, or a claim missing or of the wrong kind.
    #[error("the token is malformed")]
    Malformed,
    /// An algorithm outside the fixed list, or not the key's own.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// A `typ` or `token_type` other than an access token's.
    #[error("this is not an access token")]
    WrongType,
    /// `crit` names an extension, and none is understood here (RFC 7515 section 4.1.11).
    #[error("the token demands an extension that is not supported")]
    Critical,
    /// The issuer publishes no key of that id.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature does not belong to header and payload.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Issued by somebody else.
    #[error("the token is from another issuer")]
    Issuer,
    /// Meant for another service.
    #[error("the token is for another audience")]
    Audience,
    /// Its session was ended.
    #[error("the token's session has ended")]
    Revoked,
    /// Valid, but without this scope, which is needed here.
    #[error("the scope {0} is needed here")]
    InsufficientScope(&'static str),
    /// Valid, but its user has not this role, which is needed here.
    #[error("the role {0} is needed here")]
    MissingRole(&'static str),
    /// Nobody can tell whether its session has ended, and it is to be refused then.
    #[error("whether the token's session has ended is not known at the moment")]
    RevocationsUnavailable,
    /// The issuer's keys could not be fetched yet, so nothing can be verified.
    #[error("tokens cannot be verified at the moment")]
    KeysUnavailable,
}

impl VerifyError {
    /// The status that answers it: 401, 403 or 503.
    pub fn status(self) -> u16 {
        match self {
            Self::InsufficientScope(_) | Self::MissingRole(_) => 403,
            Self::KeysUnavailable | Self::RevocationsUnavailable => 503,
            _ => 401,
        }
    }

    /// The `WWW-Authenticate` header that goes with a 401 or 403 (RFC 6750 section 3).
    pub fn challenge(self) -> Option<String> {
        let error = match self {
            Self::KeysUnavailable | Self::RevocationsUnavailable => return None,
            // A request without credentials is told nothing but the scheme.
            Self::Missing => return Some("Bearer".into()),
            Self::MalformedHeader => "invalid_request",
            Self::InsufficientScope(scope) => return Some(insufficient_scope(Some(scope))),
            Self::MissingRole(_) => return Some(insufficient_scope(None)),
            _ => "invalid_token",
        };
        Some(format!(r#"Bearer error="{error}""#))
    }

    /// The body of the answer.
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

/// The `WWW-Authenticate` header of a 403: which scope is needed, if it is one (RFC 6750 section 3.1).
pub fn insufficient_scope(scope: Option<&str>) -> String {
    let scope = scope.map_or_else(String::new, |scope| format!(r#", scope="{scope}""#));
    format!(r#"Bearer error="insufficient_scope"{scope}"#)
}

/// Errors are lower-case fragments; answers are sentences.
fn sentence(fragment: &str) -> String {
    let mut chars = fragment.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}
