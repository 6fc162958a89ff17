//! Scopes and roles that a request needs.

use shared::claims::Scope;

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
