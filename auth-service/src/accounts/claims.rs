//! What a change of scopes and roles does to a user.

use uuid::Uuid;

use super::admin::{AdminError, MAX_CLAIMS_BYTES, User, UserAdmin};
use crate::{
    domain::audit::AuditEvent,
    store::{RecordedChange, users},
};

/// Scopes and roles that an operator grants or revokes.
#[derive(Clone, Debug, Default)]
pub struct ClaimsChange {
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
}

impl ClaimsChange {
    /// Returns whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.roles.is_empty()
    }

    /// Returns the names that the user does not have.
    pub fn missing(&self, user: &User) -> Self {
        split(user, Change::Grant, self).0
    }

    /// Returns what the user has beyond these names.
    pub fn surplus(&self, user: &User) -> Self {
        let beyond = |held: &str, named: &[String]| {
            let held = held.split_whitespace().map(str::to_owned);
            held.filter(|name| !named.contains(name)).collect()
        };
        Self { scopes: beyond(&user.scope, &self.scopes), roles: beyond(&user.roles, &self.roles) }
    }
}

/// Scopes and roles that one change grants and revokes.
#[derive(Clone, Debug, Default)]
pub struct ClaimsEdit {
    pub granted: ClaimsChange,
    pub revoked: ClaimsChange,
}

impl ClaimsEdit {
    /// Returns whether the edit changes nothing.
    pub fn is_empty(&self) -> bool {
        self.granted.is_empty() && self.revoked.is_empty()
    }

    fn describe(&self) -> String {
        let parts = [("granted", &self.granted), ("revoked", &self.revoked)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(verb, names)| describe(verb, names)).collect::<Vec<_>>().join("; ")
    }
}

/// Direction of a change of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Grant,
    Revoke,
}

impl UserAdmin {
    /// Returns up to `limit` users who have a scope or a role, ordered by id, starting after the id
    /// `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn with_claims(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<User>, AdminError> {
        let after = after.map(|id| id.to_string());
        let list =
            move |connection: &mut _| users::with_claims(connection, after.as_deref(), limit);
        Ok(self.store.run(list).await?)
    }

    /// Returns the change that grants and revokes these scopes and roles. It takes place if the
    /// user has not changed since `user` was read.
    ///
    /// # Errors
    /// [`AdminError::TooManyClaims`].
    pub fn edit_claims(
        &self,
        user: &User,
        edit: &ClaimsEdit,
    ) -> Result<RecordedChange, AdminError> {
        let NextClaims { scope, roles, description } = NextClaims::after(user, edit)?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::ClaimsChange, now, user).detail(description);
        let read = user.clone();
        let set =
            move |connection: &mut _| users::set_claims(connection, &read, &scope, &roles, now);
        Ok(RecordedChange::new(record, set))
    }
}

/// The scopes and roles of a user after a change.
pub(super) struct NextClaims {
    pub scope: String,
    pub roles: String,
    /// What the audit trail says about the change.
    pub description: String,
}

impl NextClaims {
    /// Returns what a user has after an edit.
    ///
    /// # Errors
    /// [`AdminError::TooManyClaims`].
    fn after(user: &User, edit: &ClaimsEdit) -> Result<Self, AdminError> {
        let ClaimsEdit { granted, revoked } = edit;
        let scope = changed(&user.scope, &granted.scopes, &revoked.scopes);
        let roles = changed(&user.roles, &granted.roles, &revoked.roles);
        require_short(&user.username, &scope, &roles)?;
        Ok(Self { scope, roles, description: edit.describe() })
    }
}

/// What a change of claims does to a user.
pub(super) struct Planned {
    /// `None` if nothing changes.
    pub next: Option<NextClaims>,
    pub unchanged: ClaimsChange,
}

/// Returns what a change of claims does to a user. Of a name in both, the one takes place that
/// changes something.
///
/// # Errors
/// [`AdminError::TooManyClaims`].
pub(super) fn plan(
    user: &User,
    grant: &ClaimsChange,
    revoke: &ClaimsChange,
) -> Result<Planned, AdminError> {
    let (granted, mut unchanged) = split(user, Change::Grant, grant);
    let (revoked, not_held) = split(user, Change::Revoke, revoke);
    unchanged.scopes.extend(not_held.scopes);
    unchanged.roles.extend(not_held.roles);
    let edit = ClaimsEdit { granted, revoked };
    let next = if edit.is_empty() { None } else { Some(NextClaims::after(user, &edit)?) };
    Ok(Planned { next, unchanged })
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
fn changed(held: &str, granted: &[String], revoked: &[String]) -> String {
    let mut all: Vec<&str> = held.split_whitespace().collect();
    all.retain(|held| !revoked.iter().any(|name| name == held));
    for name in granted {
        if !all.contains(&name.as_str()) {
            all.push(name);
        }
    }
    all.join(" ")
}

fn describe(verb: &str, ClaimsChange { scopes, roles }: &ClaimsChange) -> String {
    let scopes = scopes.iter().map(|name| format!(" scope {name}"));
    let roles = roles.iter().map(|name| format!(" role {name}"));
    let names: String = scopes.chain(roles).collect();
    format!("{verb}{names}")
}
