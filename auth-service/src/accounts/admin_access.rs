//! A user with the role `admin` or `support` acts as an administrator.

use std::time::Duration;

use diesel::QueryResult;
use shared::claims::{AccessClaims, SessionId};
use uuid::Uuid;

use super::{Accounts, RecentLoginError, UserAdmin, admin::Replica};
use crate::{
    domain::{
        admin_role::AdminRole,
        audit::{AuditEvent, AuditRecord, Initiator},
        session::Origin,
    },
    store::{AnyConnection, StoreError, sessions, users},
};

/// A call of an administrator, as the audit trail describes it.
#[derive(Clone, Debug)]
pub struct AdminCall {
    /// Method, path and query, of a bounded length.
    pub text: String,
    /// The user whom the call concerns.
    pub user_id: Option<Uuid>,
    /// Whether the call only reads.
    pub is_safe: bool,
}

/// Error returned when a user may not make a call.
#[derive(Debug, thiserror::Error)]
pub enum AdminAccessError {
    /// The session has ended, or the user is disabled or deleted.
    #[error("the session has ended")]
    SessionEnded,
    #[error("the user has neither the role admin nor the role support")]
    NoRole,
    #[error("the role support may only read")]
    ReadOnly,
    #[error(transparent)]
    RecentLogin(#[from] RecentLoginError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminAccessError {
    /// Returns what the audit trail says about a refusal. `None`: the caller is no administrator,
    /// and could fill the trail.
    fn note(&self) -> Option<&'static str> {
        match self {
            Self::ReadOnly => Some("refused: the role support may only read"),
            Self::RecentLogin(_) => Some("refused: the login is not recent"),
            Self::SessionEnded | Self::NoRole | Self::Store(_) => None,
        }
    }
}

impl Accounts {
    /// Admits the call of a user who is an administrator now, by the database and not by the token:
    /// one look-up finds the user, the roles, and the session with the time of the last proof of the
    /// password. A call that only reads is recorded in the same transaction. A call that changes
    /// something is recorded by the change, or by [`Accounts::record_admin_call`] if nothing
    /// changes.
    ///
    /// # Errors
    /// [`AdminAccessError`].
    pub async fn admit_admin(
        &self,
        claims: &AccessClaims,
        call: &AdminCall,
        origin: Origin,
    ) -> Result<Initiator, AdminAccessError> {
        let initiator = Initiator::admin(&claims.sub, origin);
        let wanted = Wanted {
            user_id: claims.sub.clone(),
            sid: claims.sid,
            proved_at: claims.auth_time,
            is_safe: call.is_safe,
            max_age: self.times.recent_login,
            now_ms: self.clock.now_ms(),
        };
        let is_safe = call.is_safe;
        let record = self.admin_call(&initiator, call);
        let admit = move |connection: &mut AnyConnection| {
            let decision = wanted.decide(connection)?;
            let record = match &decision {
                Ok(()) => is_safe.then_some(record),
                Err(why) => why.note().map(|note| with_note(record, note)),
            };
            Ok((decision, record))
        };
        self.store.audited(admit).await?.map(|()| initiator)
    }

    /// Returns the use cases of an administrator, in this replica.
    pub fn administration(&self, initiator: Initiator) -> UserAdmin {
        let replica = Replica {
            sessions: self.sessions.clone(),
            outbox: self.outbox.clone(),
            mails_codes: self.mails_codes,
        };
        UserAdmin {
            store: self.store.clone(),
            clock: self.clock.clone(),
            initiator,
            replica: Some(replica),
        }
    }

    /// Records a call that changed nothing. `note` says why.
    pub async fn record_admin_call(&self, initiator: &Initiator, call: &AdminCall, note: &str) {
        self.store.record_event(with_note(self.admin_call(initiator, call), note)).await;
    }

    fn admin_call(&self, initiator: &Initiator, call: &AdminCall) -> AuditRecord {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::AdminCall, initiator.clone(), now);
        record.known_user(call.user_id).detail(&call.text)
    }
}

/// What a caller presents, and what the call needs.
struct Wanted {
    user_id: String,
    sid: SessionId,
    /// Last proof of the password by the token, in seconds since the Unix epoch.
    proved_at: Option<i64>,
    is_safe: bool,
    /// Maximum age of the last proof of the password.
    max_age: Duration,
    now_ms: i64,
}

impl Wanted {
    fn decide(&self, connection: &mut AnyConnection) -> QueryResult<Result<(), AdminAccessError>> {
        let user = users::find(connection, &self.user_id)?;
        let proved_at = sessions::live_auth_time(connection, self.sid, &self.user_id, self.now_ms)?;
        let user = user.filter(|user| user.disabled_at_ms.is_none());
        let (Some(user), Some(proved_at_ms)) = (user, proved_at) else {
            return Ok(Err(AdminAccessError::SessionEnded));
        };
        // The token may be older than the last proof.
        let proved_at = (proved_at_ms / 1000).max(self.proved_at.unwrap_or(i64::MIN));
        let age = (self.now_ms / 1000).saturating_sub(proved_at);
        let max_age = self.max_age;
        Ok(match AdminRole::of(&user.roles) {
            None => Err(AdminAccessError::NoRole),
            Some(AdminRole::Support) if !self.is_safe => Err(AdminAccessError::ReadOnly),
            Some(_) if age > max_age.as_secs() as i64 => {
                Err(RecentLoginError::TooOld(max_age).into())
            }
            Some(_) => Ok(()),
        })
    }
}

fn with_note(record: AuditRecord, note: &str) -> AuditRecord {
    let text = record.detail.clone().unwrap_or_default();
    record.detail(format!("{text} ({note})"))
}
