//! Scopes that a client asks for (RFC 6749 section 3.3).

use shared::claims::Scope;

/// Error returned when a client asks for more scope than may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope is malformed, or more than may be granted")]
pub struct ScopeNotGranted;

/// Returns the scope to grant: `wanted`, or all of `granted` if the client names none.
///
/// # Errors
/// [`ScopeNotGranted`] if `wanted` exceeds `granted`.
pub fn narrow(granted: &Scope, wanted: Option<&Scope>) -> Result<Scope, ScopeNotGranted> {
    match wanted {
        None => Ok(granted.clone()),
        Some(wanted) if granted.contains_all(wanted) => Ok(wanted.clone()),
        Some(_) => Err(ScopeNotGranted),
    }
}
