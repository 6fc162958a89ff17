//! An operator reads and changes users.

use shared::clock::Clock;

pub use crate::store::users::User;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        login_key::LoginKey,
        session::EndCause,
    },
    store::{Store, StoreError, users},
};

/// Maximum size of a user's scopes and roles together. Every token contains them, and the size of a
/// token is limited.
const MAX_CLAIMS_BYTES: usize = 2000;

/// Error returned when a user cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the user {0} does not exist")]
    UnknownUser(String),
    #[error("the scopes and roles of {0} would be longer than {MAX_CLAIMS_BYTES} bytes")]
    TooManyClaims(String),
    #[error("name at least one scope or role: --scope NAME, --role NAME")]
    NothingToChange,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Scopes and roles that an operator grants or revokes.
#[derive(Clone, Debug, Default)]
pub struct ClaimsChange {
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
}

/// Direction of a change of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Grant,
    Revoke,
}

/// Use cases of an operator who administers users.
pub struct UserAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
}

impl UserAdmin {
    /// Returns the user with this username or email address.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn find(&self, name: &str) -> Result<User, AdminError> {
        let unknown = || AdminError::UnknownUser(name.to_owned());
        let key = LoginKey::parse(name).ok_or_else(unknown)?;
        let found =
            self.store.run(move |connection| users::find_by_login(connection, &key)).await?;
        found.ok_or_else(unknown)
    }

    /// Grants or revokes scopes and roles. Tokens carry the change from their next refresh on.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn change_claims(
        &self,
        name: &str,
        direction: Change,
        claims: &ClaimsChange,
    ) -> Result<User, AdminError> {
        if claims.scopes.is_empty() && claims.roles.is_empty() {
            return Err(AdminError::NothingToChange);
        }
        loop {
            let user = self.find(name).await?;
            let scope = changed(&user.scope, direction, &claims.scopes);
            let roles = changed(&user.roles, direction, &claims.roles);
            if scope.len() + roles.len() > MAX_CLAIMS_BYTES {
                return Err(AdminError::TooManyClaims(name.to_owned()));
            }
            let now = self.clock.now_ms();
            let record = self.record(AuditEvent::ClaimsChange, now, &user);
            let record = record.detail(describe(direction, claims));
            let set = move |connection: &mut _| {
                let is_set = users::set_claims(connection, &user, &scope, &roles, now)?;
                Ok((is_set, is_set.then_some(record)))
            };
            // Refused if the user has changed since. The next attempt applies the change to the new
            // scopes and roles.
            if self.store.audited(set).await? {
                return self.find(name).await;
            }
        }
    }

    /// Disables a user, which ends all sessions, or enables one.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn set_disabled(&self, name: &str, disabled: bool) -> Result<User, AdminError> {
        let user = self.find(name).await?;
        let now = self.clock.now_ms();
        let event = match disabled {
            true => AuditEvent::Ended(EndCause::UserDisabled),
            false => AuditEvent::UserEnabled,
        };
        let record = self.record(event, now, &user);
        let id = user.id.to_string();
        let set = move |connection: &mut _| {
            let ended = users::set_disabled(connection, &id, disabled, now)?;
            let record = if disabled { record.ended_sessions(ended.len()) } else { record };
            Ok(((), Some(record)))
        };
        self.store.audited(set).await?;
        self.find(name).await
    }

    /// Deletes a user and ends all sessions. Returns the deleted user.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn delete(&self, name: &str) -> Result<User, AdminError> {
        let user = self.find(name).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(EndCause::UserDeleted), now, &user);
        let id = user.id.to_string();
        let delete = move |connection: &mut _| {
            let ended = users::delete(connection, &id, now)?;
            Ok(((), Some(record.ended_sessions(ended.len()))))
        };
        self.store.audited(delete).await?;
        Ok(user)
    }

    fn record(&self, event: AuditEvent, now_ms: i64, user: &User) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), now_ms).user(user.id)
    }
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
