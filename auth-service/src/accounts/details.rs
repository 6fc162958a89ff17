//! An operator reads the states and sessions of users, sets passwords and verifies addresses.

use super::{
    admin::{AdminError, User, UserAdmin},
    create::hash,
};
pub use crate::store::users::AccountState;
use crate::{
    credentials::Passwords,
    domain::{
        account_rules::AccountRules, audit::AuditEvent, password::Password, session::EndCause,
    },
    store::{
        sessions::{self, SessionDetails},
        users,
    },
};

/// Maximum number of listed sessions: the largest number that SESSIONS_PER_USER allows.
const MAX_SESSIONS: i64 = 10_000;

/// A user, and the state of the account.
#[derive(Clone, Debug)]
pub struct UserDetails {
    pub user: User,
    pub state: AccountState,
}

/// A password that an operator has just set.
#[derive(Clone, Debug)]
pub struct PasswordOutcome {
    pub user: User,
    pub sessions_ended: usize,
}

impl UserAdmin {
    /// Adds the states of the accounts to these users.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn details(&self, users: Vec<User>) -> Result<Vec<UserDetails>, AdminError> {
        let ids: Vec<String> = users.iter().map(|user| user.id.to_string()).collect();
        let read = move |connection: &mut _| users::account_states(connection, &ids);
        let states = self.store.run(read).await?;
        // A user who was deleted meanwhile is left out.
        let details = users.into_iter().filter_map(|user| {
            let state = *states.get(&user.id.to_string())?;
            Some(UserDetails { user, state })
        });
        Ok(details.collect())
    }

    /// Returns a user and the state of the account.
    ///
    /// # Errors
    /// As [`UserAdmin::find`].
    pub async fn find_details(&self, name: &str) -> Result<UserDetails, AdminError> {
        let user = self.find(name).await?;
        self.details_of(user).await
    }

    /// Adds the state of the account to a user.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] if the user was deleted meanwhile, or [`AdminError::Store`].
    pub async fn details_of(&self, user: User) -> Result<UserDetails, AdminError> {
        let name = user.username.clone();
        let mut details = self.details(vec![user]).await?;
        details.pop().ok_or(AdminError::UnknownUser(name))
    }

    /// Returns a user and the live sessions, the last used first.
    ///
    /// # Errors
    /// As [`UserAdmin::find`].
    pub async fn sessions(&self, name: &str) -> Result<(User, Vec<SessionDetails>), AdminError> {
        let user = self.find(name).await?;
        let sessions = self.last_used_sessions(&user, MAX_SESSIONS).await?;
        Ok((user, sessions))
    }

    /// Returns up to `limit` live sessions of a user, the last used first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn last_used_sessions(
        &self,
        user: &User,
        limit: i64,
    ) -> Result<Vec<SessionDetails>, AdminError> {
        let (id, now) = (user.id.to_string(), self.clock.now_ms());
        let read = move |connection: &mut _| sessions::details(connection, &id, now, limit);
        Ok(self.store.run(read).await?)
    }

    /// Records the email address of a user as verified. Cancels a deletion for the lack of this
    /// proof. Returns the user, and whether the address was not verified before.
    ///
    /// # Errors
    /// As [`UserAdmin::find`].
    pub async fn verify_email(&self, name: &str) -> Result<(UserDetails, bool), AdminError> {
        let user = self.find(name).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::EmailVerified, now, &user);
        let id = user.id.to_string();
        let verify = move |connection: &mut _| users::prove_email(connection, &id, now);
        let is_changed = self.store.audited_if(record, verify).await?;
        Ok((self.details_of(self.find_again(&user).await?).await?, is_changed))
    }

    /// Sets a password that the operator chose, which ends all sessions.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn set_password(
        &self,
        name: &str,
        password: &Password,
        pool: &Passwords,
        rules: &AccountRules,
    ) -> Result<PasswordOutcome, AdminError> {
        let user = self.find(name).await?;
        if password.is_made_of_names(&rules.passwords, &user.username, &user.email) {
            return Err(AdminError::PasswordOfNames);
        }
        let hash = hash(pool, password).await?;
        let cause = EndCause::PasswordChange;
        self.end_surplus(&user, cause).await?;
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::Ended(cause), now, &user);
        let id = user.id.to_string();
        let set = move |connection: &mut _| {
            let ended = users::set_password(connection, &id, &hash, now)?;
            let record = ended.as_ref().map(|ended| record.ended_sessions(ended));
            Ok((ended.map(|ended| ended.len()), record))
        };
        match self.store.audited(set).await? {
            Some(sessions_ended) => Ok(PasswordOutcome { user, sessions_ended }),
            None => Err(AdminError::UnknownUser(name.to_owned())),
        }
    }
}
