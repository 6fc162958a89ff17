//! Scopes and roles that a request needs.

use shared::claims::{Scope, is_scope_name};

/// Maximum length of the name of a scope or a role that an operator grants.
const MAX_NAME_CHARS: usize = 100;

/// A scope or a role that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    Scope(String),
    Role(String),
}

/// Error returned when a token does not grant a permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token does not grant {0:?}")]
pub struct MissingPermission(pub Permission);

impl Permission {
    /// Checks that these scopes and roles include the permission.
    ///
    /// # Errors
    /// [`MissingPermission`].
    pub fn require(&self, scope: &Scope, roles: &[String]) -> Result<(), MissingPermission> {
        let is_granted = match self {
            Self::Scope(name) => scope.contains(name),
            Self::Role(name) => roles.contains(name),
        };
        if is_granted { Ok(()) } else { Err(MissingPermission(self.clone())) }
    }
}

/// Parses the name of a scope (RFC 6749 section 3.3) or a role that an operator grants.
///
/// # Errors
/// The rule that `text` breaks.
pub fn parse_granted_name(text: &str) -> Result<String, String> {
    if text.len() <= MAX_NAME_CHARS && is_scope_name(text) {
        return Ok(text.into());
    }
    let characters = "printable ASCII characters without spaces, quotes and backslashes";
    Err(format!("must be 1 to {MAX_NAME_CHARS} {characters}"))
}
