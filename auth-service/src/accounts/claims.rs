//! An operator grants and revokes scopes and roles.

use super::admin::{AdminError, MAX_CLAIMS_BYTES, User, UserAdmin};
use crate::{domain::audit::AuditEvent, store::users};

/// Scopes and roles that an operator grants or revokes.
#[derive(Clone, Debug, Default)]
pub struct ClaimsChange {
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
}

impl ClaimsChange {
    fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.roles.is_empty()
    }
}

/// Outcome of a change of claims.
#[derive(Clone, Debug)]
pub struct ClaimsOutcome {
    pub user: User,
    /// The names that the user had already, or did not have: they changed nothing.
    pub unchanged: ClaimsChange,
}

/// Direction of a change of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Grant,
    Revoke,
}

impl UserAdmin {
    /// Grants or revokes scopes and roles. Tokens carry the change from their next refresh on. A
    /// change that changes nothing is not recorded.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn change_claims(
        &self,
        name: &str,
        direction: Change,
        claims: &ClaimsChange,
    ) -> Result<ClaimsOutcome, AdminError> {
        if claims.is_empty() {
            return Err(AdminError::NothingToChange);
        }
        let mut user = self.find(name).await?;
        loop {
            let (effective, unchanged) = split(&user, direction, claims);
            if effective.is_empty() {
                return Ok(ClaimsOutcome { user, unchanged });
            }
            let scope = changed(&user.scope, direction, &effective.scopes);
            let roles = changed(&user.roles, direction, &effective.roles);
            require_short(&user.username, &scope, &roles)?;
            let now = self.clock.now_ms();
            let record = self.record(AuditEvent::ClaimsChange, now, &user);
            let record = record.detail(describe(direction, &effective));
            let read = user.clone();
            let set =
                move |connection: &mut _| users::set_claims(connection, &read, &scope, &roles, now);
            // Refused if the user has changed since. The next attempt applies the change to the new
            // scopes and roles.
            if self.store.audited_if(record, set).await? {
                return Ok(ClaimsOutcome { user: self.find_again(&user).await?, unchanged });
            }
            user = self.find_again(&user).await?;
        }
    }
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
