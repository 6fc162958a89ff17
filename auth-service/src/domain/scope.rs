//! Names of scopes and roles, and scopes that a client asks for (RFC 6749 section 3.3).

use shared::claims::{Scope, is_scope_name};

const MAX_NAME_BYTES: usize = 100;

/// Parses the name of a scope (RFC 6749 section 3.3) or a role.
///
/// # Errors
/// The rule that the name breaks.
pub fn parse_name(text: &str) -> Result<String, String> {
    if text.len() <= MAX_NAME_BYTES && is_scope_name(text) {
        return Ok(text.into());
    }
    let characters = "printable ASCII characters without spaces, quotes and backslashes";
    Err(format!("must be 1 to {MAX_NAME_BYTES} {characters}"))
}

/// Joins names with spaces, in their order, each once.
pub fn sorted_names(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    names.join(" ")
}

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
