//! What a change of scopes and roles does to a user.

use super::admin::{AdminError, MAX_CLAIMS_BYTES, User};

/// Scopes and roles that an operator grants or revokes.
#[derive(Clone, Debug, Default)]
pub struct ClaimsChange {
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
}

impl ClaimsChange {
    pub(super) fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.roles.is_empty()
    }
}

/// Direction of a change of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Grant,
    Revoke,
}

/// The scopes and roles of a user after a change.
pub(super) struct NextClaims {
    pub scope: String,
    pub roles: String,
    /// What the audit trail says about the change.
    pub description: String,
}

/// What a change of claims does to a user.
pub(super) struct Planned {
    /// `None` if nothing changes.
    pub next: Option<NextClaims>,
    pub unchanged: ClaimsChange,
}

/// Returns what a change of claims does to a user: grants first, then revocations.
pub(super) fn plan(
    user: &User,
    grant: &ClaimsChange,
    revoke: &ClaimsChange,
) -> Result<Planned, AdminError> {
    let (granted, mut unchanged) = split(user, Change::Grant, grant);
    let (revoked, not_held) = split(user, Change::Revoke, revoke);
    unchanged.scopes.extend(not_held.scopes);
    unchanged.roles.extend(not_held.roles);
    if granted.is_empty() && revoked.is_empty() {
        return Ok(Planned { next: None, unchanged });
    }
    let scope = changed(&user.scope, Change::Grant, &granted.scopes);
    let scope = changed(&scope, Change::Revoke, &revoked.scopes);
    let roles = changed(&user.roles, Change::Grant, &granted.roles);
    let roles = changed(&roles, Change::Revoke, &revoked.roles);
    require_short(&user.username, &scope, &roles)?;
    let parts = [(Change::Grant, granted), (Change::Revoke, revoked)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let description = parts.map(|(direction, names)| describe(*direction, names));
    let description = description.collect::<Vec<_>>().join("; ");
    Ok(Planned { next: Some(NextClaims { scope, roles, description }), unchanged })
}

/// Checks the size of scopes and roles, which every token contains.
pub(super) fn require_short(username: &str, scope: &str, roles: &str) -> Result<(), AdminError> {
    match scope.len() + roles.len() {
        0..=MAX_CLAIMS_BYTES => Ok(()),
        _ => Err(AdminError::TooManyClaims(username.to_owned())),
    }
}

/// Splits a change into the names that change something, and the names that the user has already
/// or does not have.
fn split(user: &User, direction: Change, claims: &ClaimsChange) -> (ClaimsChange, ClaimsChange) {
    let takes_effect = |held: &str, name: &String| {
        let is_held = held.split_whitespace().any(|held| held == name);
        is_held == (direction == Change::Revoke)
    };
    let is_scope = |name: &String| takes_effect(&user.scope, name);
    let is_role = |name: &String| takes_effect(&user.roles, name);
    let (scopes, other_scopes) = claims.scopes.iter().cloned().partition(is_scope);
    let (roles, other_roles) = claims.roles.iter().cloned().partition(is_role);
    let unchanged = ClaimsChange { scopes: other_scopes, roles: other_roles };
    (ClaimsChange { scopes, roles }, unchanged)
}

/// Returns the names that a user holds after a change, separated by spaces.
fn changed(held: &str, direction: Change, names: &[String]) -> String {
    let mut all: Vec<&str> = held.split_whitespace().collect();
    match direction {
        Change::Grant => {
            let new = names.iter().map(String::as_str);
            for name in new {
                if !all.contains(&name) {
                    all.push(name);
                }
            }
        }
        Change::Revoke => all.retain(|held| !names.iter().any(|name| name == held)),
    }
    all.join(" ")
}

fn describe(direction: Change, ClaimsChange { scopes, roles }: &ClaimsChange) -> String {
    let verb = match direction {
        Change::Grant => "granted",
        Change::Revoke => "revoked",
    };
    let scopes = scopes.iter().map(|name| format!(" scope {name}"));
    let roles = roles.iter().map(|name| format!(" role {name}"));
    let names: String = scopes.chain(roles).collect();
    format!("{verb}{names}")
}
