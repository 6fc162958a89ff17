//! The claims of an access token (RFC 9068 section 2.2).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `typ` header of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";

/// One login. Every token descended from that login carries its id (`sid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A new session's id, ordered by time.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of a session's two tokens this is: the claim `token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Short-lived, signed, for resource services.
    Access,
    /// Long-lived, authenticated with a secret that only auth-service holds.
    Refresh,
}

/// `aud`: one audience or several (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single audience, written as a string.
    One(String),
    /// Several, written as an array.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `audience` is among them.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl From<Vec<String>> for Audience {
    fn from(mut many: Vec<String>) -> Self {
        match many.len() {
            1 => Self::One(many.remove(0)),
            _ => Self::Many(many),
        }
    }
}

/// `scope`: space-separated names (RFC 6749 section 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Whether `name` was granted.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|granted| granted == name)
    }

    /// The granted names, in the order of the claim.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// Whether all of these were granted.
    pub fn contains_all(&self, names: &Scope) -> bool {
        names.iter().all(|name| self.contains(name))
    }

    /// Whether nothing was granted.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The claim's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether one scope may be called so (RFC 6749 section 3.3): printable ASCII without spaces, quotes and backslashes.
pub fn is_scope_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(allowed)
}

impl From<String> for Scope {
    fn from(claim: String) -> Self {
        Self(claim)
    }
}

impl AccessClaims {
    /// Whether it is a client's own: no person's.
    pub fn is_client_token(&self) -> bool {
        self.client_id.as_ref() == Some(&self.sub)
    }
}

/// What a verified access token says. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued it: auth-service's URL.
    pub iss: String,
    /// Whose it is: a user's id, a UUID, or a client's. Usernames and emails are not identifiers, they may change.
    pub sub: String,
    /// Which services it is for.
    pub aud: Audience,
    /// When it ends.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Before when it is not valid, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// This token's own id.
    pub jti: Uuid,
    /// The session it descends from.
    pub sid: SessionId,
    /// What it may be used for. Not there if that is nothing (RFC 6749 section 3.3 has no empty scope).
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// What its user is (RFC 9068 section 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What its user calls themself, to be shown. It may change; `sub` does not. A client has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// The client that it was issued to (RFC 9068 section 2.2). In its own right, if it is the `sub` as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Always [`TokenType::Access`].
    pub token_type: TokenType,
}
