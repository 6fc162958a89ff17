//! A user reads everything that is stored about the account.

use shared::claims::AccessClaims;

use super::{Accounts, ProfileError};
pub use crate::store::{
    export::{AccountRow, CodeRow, CredentialRow, EventRow, MessageRow, SessionRow},
    users::FormerUsername,
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::Origin,
    },
    store::{Store, StoreError, export, users},
};

/// Number of sessions, or of events, that are read at a time.
const PAGE: i64 = 500;
/// Maximum number of codes and of messages. Limits per day keep their numbers far below.
const MAX_SHORT: i64 = 1000;

/// What is stored about an account, except what a user may have many of.
pub struct AccountExport {
    pub account: AccountRow,
    pub former_usernames: Vec<FormerUsername>,
    pub credentials: Vec<CredentialRow>,
    pub codes: Vec<CodeRow>,
    pub messages: Vec<MessageRow>,
    /// The sessions and the events, read page by page.
    pub pages: ExportPages,
}

/// Reads the sessions and the events of a user page by page, so that no export holds all of them in
/// memory.
pub struct ExportPages {
    store: Store,
    user_id: String,
    /// Later events are left out, so that the export ends.
    until_ms: i64,
}

impl Accounts {
    /// Begins an export of what is stored about the user of `claims`. The audit trail records the
    /// export.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub async fn export(
        &self,
        claims: &AccessClaims,
        origin: Origin,
    ) -> Result<AccountExport, ProfileError> {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::AccountExported, Initiator::user(origin), now);
        let record = record.user(&claims.sub).session(claims.sid);
        let id = claims.sub.clone();
        let pages = ExportPages { store: self.store.clone(), user_id: id.clone(), until_ms: now };
        let read = move |connection: &mut _| {
            let Some(account) = export::account(connection, &id)? else { return Ok((None, None)) };
            let export = AccountExport {
                account,
                former_usernames: users::former_usernames(connection, &id)?,
                credentials: export::credentials_of(connection, &id)?,
                codes: export::codes_of(connection, &id, now, MAX_SHORT)?,
                messages: export::messages_to(connection, &id, MAX_SHORT)?,
                pages,
            };
            Ok((Some(export), Some(record)))
        };
        self.store.audited(read).await?.ok_or(ProfileError::UnknownUser)
    }
}

impl ExportPages {
    /// Returns the sessions after the one of this id, in the order of their ids. Empty after the
    /// last.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn sessions(&self, after: String) -> Result<Vec<SessionRow>, StoreError> {
        let id = self.user_id.clone();
        let read = move |connection: &mut _| export::sessions_of(connection, &id, &after, PAGE);
        self.store.run(read).await
    }

    /// Returns the events after the one of this time and number. Empty after the last.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn events(&self, after: (i64, i64)) -> Result<Vec<EventRow>, StoreError> {
        let (id, until_ms) = (self.user_id.clone(), self.until_ms);
        let read =
            move |connection: &mut _| export::events_of(connection, &id, after, until_ms, PAGE);
        self.store.run(read).await
    }
}
