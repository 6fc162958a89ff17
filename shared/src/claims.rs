//! Claims of an access token (RFC 9068 section 2.2).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `typ` header of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";

/// Claims of a verified access token. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer: the URL of auth-service.
    pub iss: String,
    /// Subject: the id of a user (a UUID) or of a client. Usernames and email addresses are not
    /// identifiers, because they may change.
    pub sub: String,
    /// Audience: the resource servers that may accept the token.
    pub aud: Audience,
    /// Time at which the token expires.
    pub exp: i64,
    /// Time at which the token was issued.
    pub iat: i64,
    /// Time before which the token is not valid, if the token has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Time when the user last proved who they are (RFC 9068 section 2.2.1). A client's token has
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Id of the token.
    pub jti: Uuid,
    /// Session that the token belongs to.
    pub sid: SessionId,
    /// Granted scopes. An empty scope is left out of the token (RFC 6749 section 3.3 has none).
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// Roles of the user (RFC 9068 section 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Username, for display. It may change; `sub` does not. A client has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// Id of the user in the system from which the user was imported, if the issuer states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Client that the token was issued to (RFC 9068 section 2.2). Equal to `sub` if the client
    /// acts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Always [`TokenType::Access`].
    pub token_type: TokenType,
}

impl AccessClaims {
    /// Returns `true` if the token belongs to a client that acts for itself, not for a user.
    pub fn is_client_token(&self) -> bool {
        self.client_id.as_ref() == Some(&self.sub)
    }
}

/// Id of a session: one login. Every token of that login carries it as the claim `sid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// Returns a new id. Ids are ordered by time (UUID version 7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Kind of a token: the claim `token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Short-lived, signed, for resource servers.
    Access,
    /// Long-lived, authenticated with a secret that only auth-service has.
    Refresh,
}

/// The claim `aud`: one audience or several (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One audience, written as a string.
    One(String),
    /// Several audiences, written as an array.
    Many(Vec<String>),
}

impl Audience {
    /// Returns `true` if `audience` is one of the audiences.
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

/// The claim `scope`: names separated by spaces (RFC 6749 section 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Returns `true` if the scope `name` is granted.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|granted| granted == name)
    }

    /// Returns the granted names, in the order of the claim.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// Returns `true` if every name in `names` is granted.
    pub fn contains_all(&self, names: &Scope) -> bool {
        names.iter().all(|name| self.contains(name))
    }

    /// Returns `true` if no scope is granted.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns the text of the claim.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Scope {
    fn from(claim: String) -> Self {
        Self(claim)
    }
}

/// Returns `true` if `text` is a valid name of one scope: printable ASCII without spaces, quotes
/// and backslashes (RFC 6749 section 3.3).
pub fn is_scope_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(allowed)
}
