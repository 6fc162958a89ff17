//! An operator disables or enables a user, and grants and revokes scopes and roles, in one
//! transaction.

use shared::claims::SessionId;

use super::{
    admin::{AdminError, Replica, User, UserAdmin, require_revision},
    claims::{Change, ClaimsChange, Planned, plan},
};
use crate::{
    domain::{
        admin_role,
        audit::{AuditEvent, AuditRecord, Initiator},
        session::EndCause,
    },
    store::{AnyConnection, users},
};

/// What to change about a user. `None`, or no names: it stays as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub disabled: Option<bool>,
    pub grant: ClaimsChange,
    pub revoke: ClaimsChange,
}

/// Outcome of a change.
#[derive(Clone, Debug)]
pub struct UserChanged {
    pub user: User,
    /// `false` if the user was as the change asks already.
    pub is_changed: bool,
    /// The names that the user had already, or did not have: they changed nothing.
    pub unchanged: ClaimsChange,
}

/// What a transaction changed.
struct Written {
    /// The sessions that end, each with its latest possible end.
    ended: Vec<(SessionId, i64)>,
    has_new_claims: bool,
    is_changed: bool,
    unchanged: ClaimsChange,
}

impl UserAdmin {
    /// Disables a user, which ends all sessions, or enables one.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn set_disabled(
        &self,
        name: &str,
        disabled: bool,
    ) -> Result<UserChanged, AdminError> {
        let user = self.find(name).await?;
        let change = UserChange { disabled: Some(disabled), ..UserChange::default() };
        self.change(&user, &change, None).await
    }

    /// Grants or revokes scopes and roles.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn change_claims(
        &self,
        name: &str,
        direction: Change,
        claims: &ClaimsChange,
    ) -> Result<UserChanged, AdminError> {
        if claims.is_empty() {
            return Err(AdminError::NothingToChange);
        }
        let user = self.find(name).await?;
        let change = match direction {
            Change::Grant => UserChange { grant: claims.clone(), ..UserChange::default() },
            Change::Revoke => UserChange { revoke: claims.clone(), ..UserChange::default() },
        };
        self.change(&user, &change, None).await
    }

    /// Changes a user, as [`UserAdmin::find`] returned it, unless the user's revision is another
    /// than `expected`. To disable a user ends all sessions. Tokens carry changed scopes and roles
    /// from their next refresh on. What changes nothing is not recorded.
    ///
    /// # Errors
    /// [`AdminError::Changed`], [`AdminError::OwnAccount`], [`AdminError::TooManyClaims`],
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn change(
        &self,
        user: &User,
        change: &UserChange,
        expected: Option<i64>,
    ) -> Result<UserChanged, AdminError> {
        self.refuse_lockout(user, change)?;
        require_revision(user, expected)?;
        let cause = EndCause::UserDisabled;
        if change.disabled == Some(true) {
            self.end_surplus(user, cause).await?;
        }
        let write = Write {
            user: user.clone(),
            change: change.clone(),
            expected,
            initiator: self.initiator.clone(),
            now_ms: self.clock.now_ms(),
        };
        let written = self.store.audited(move |connection| write.run(connection)).await??;
        self.publish(cause, written.ended).await;
        if let (true, Some(Replica { sessions, .. })) = (written.has_new_claims, &self.replica) {
            sessions.mark_claims_of(&user.id.to_string()).await;
        }
        Ok(UserChanged {
            user: self.find_again(user).await?,
            is_changed: written.is_changed,
            unchanged: written.unchanged,
        })
    }

    /// Refuses changes by which an administrator would lock themself out.
    fn refuse_lockout(&self, user: &User, change: &UserChange) -> Result<(), AdminError> {
        if !self.initiator.is_admin_with_id(user.id) {
            return Ok(());
        }
        if change.disabled == Some(true) {
            let why = "An administrator cannot disable their own account.";
            return Err(AdminError::OwnAccount(why));
        }
        if change.revoke.roles.iter().any(|role| role == admin_role::ADMIN) {
            let why = "An administrator cannot revoke their own role admin. Another one can.";
            return Err(AdminError::OwnAccount(why));
        }
        Ok(())
    }
}

/// The transaction of a change.
struct Write {
    user: User,
    change: UserChange,
    expected: Option<i64>,
    initiator: Initiator,
    now_ms: i64,
}

type Outcome = (Result<Written, AdminError>, Vec<AuditRecord>);

impl Write {
    fn run(self, connection: &mut AnyConnection) -> diesel::QueryResult<Outcome> {
        let id = self.user.id.to_string();
        // While the lock is held, no other change of the user comes in between.
        let Some(present) = users::find_locked(connection, &id)? else {
            return Ok((Err(AdminError::UnknownUser(self.user.username)), Vec::new()));
        };
        let planned = require_revision(&present, self.expected)
            .and_then(|()| plan(&present, &self.change.grant, &self.change.revoke));
        let Planned { next, unchanged } = match planned {
            Ok(planned) => planned,
            Err(why) => return Ok((Err(why), Vec::new())),
        };
        let mut records = Vec::new();
        let has_new_claims = next.is_some();
        if let Some(next) = next {
            users::set_claims(connection, &present, &next.scope, &next.roles, self.now_ms)?;
            records.push(self.record(AuditEvent::ClaimsChange).detail(next.description));
        }
        let mut ended = Vec::new();
        if let Some(disabled) = self.change.disabled
            && let Some(of_user) = users::set_disabled(connection, &id, disabled, self.now_ms)?
        {
            records.push(match disabled {
                true => {
                    let record = self.record(AuditEvent::Ended(EndCause::UserDisabled));
                    record.ended_sessions(&of_user)
                }
                false => self.record(AuditEvent::UserEnabled),
            });
            ended = of_user;
        }
        let is_changed = !records.is_empty();
        Ok((Ok(Written { ended, has_new_claims, is_changed, unchanged }), records))
    }

    fn record(&self, event: AuditEvent) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), self.now_ms).user(self.user.id)
    }
}
