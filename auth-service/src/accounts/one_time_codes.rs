//! Issues one-time codes, and finds their rows.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    domain::{
        email::Email,
        fold::fold,
        mail_limit::{MailCounter, MailKind},
        one_time_code::{CodePurpose, OneTimeCode},
    },
    store::{StoreError, one_time_codes::NewCode, users::User},
    throttle::Throttled,
};

/// Error returned when a one-time code is refused.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// There is no such user, or the code is wrong, used, expired or of an earlier state of the
    /// user, or was mailed to another address. The client does not learn which.
    #[error("the code is refused")]
    WrongCode,
    /// Too many codes from the address of the client were wrong.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys and the lifetime of one-time codes.
#[derive(Clone)]
pub struct OneTimeCodes {
    keys: Vec<[u8; 32]>,
    lifetime: Duration,
}

impl OneTimeCodes {
    /// Creates the service. `keys` has a key for each secret in use, the newest first.
    pub fn new(keys: &[[u8; 32]], lifetime: Duration) -> Self {
        Self { keys: keys.to_vec(), lifetime }
    }

    /// Generates a code for the user in the present state. Returns the code and its row.
    pub fn issue(&self, purpose: CodePurpose, user: &User, now_ms: i64) -> (OneTimeCode, NewCode) {
        let code = OneTimeCode::generate();
        let is_printed = purpose == CodePurpose::PrintedReset;
        let row = NewCode {
            mac: code.mac(&self.keys[0], purpose, &user.id),
            user_id: user.id.to_string(),
            purpose,
            revision: user.revision,
            created_at_ms: now_ms,
            expires_at_ms: now_ms + self.lifetime.as_millis() as i64,
            email: Email::parse(&user.email).ok().filter(|_| !is_printed),
        };
        (code, row)
    }

    /// Generates a code with which the owner of a former address of the user undoes the change. It
    /// is bound to the address, because its owner may not know the user's present names.
    pub fn issue_undo(
        &self,
        former: &Email,
        user: &User,
        lifetime: Duration,
        now_ms: i64,
    ) -> (OneTimeCode, NewCode) {
        let purpose = CodePurpose::UndoEmailChange;
        let (code, row) = self.issue(purpose, user, now_ms);
        let row = NewCode {
            mac: self.mac_for(&code, purpose, &former.keys().folded),
            expires_at_ms: now_ms + lifetime.as_millis() as i64,
            email: Some(former.clone()),
            ..row
        };
        (code, row)
    }

    /// Returns the counter of mails of this kind to an address.
    pub fn mail_counter(&self, kind: MailKind, address: &str) -> MailCounter {
        // The rules for addresses may have changed since the user got the address.
        let folded = Email::parse(address).map_or_else(|_| fold(address), |it| it.keys().folded);
        let macs = self.keys.iter().map(|key| kind.mac(key, &folded));
        MailCounter(macs.collect())
    }

    /// Returns the time for which a code is valid.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the MAC of a new code that is bound to an address.
    pub fn mac_for(&self, code: &OneTimeCode, purpose: CodePurpose, email: &str) -> String {
        code.mac_for(&self.keys[0], purpose, email)
    }

    /// As [`OneTimeCodes::macs`], for a code that is bound to an address.
    pub fn macs_for(&self, code: &OneTimeCode, purpose: CodePurpose, email: &str) -> Vec<String> {
        self.keys.iter().map(|key| code.mac_for(key, purpose, email)).collect()
    }

    /// Returns the MACs that the row of a code may have, one for each secret in use.
    pub fn macs(&self, code: &OneTimeCode, purpose: CodePurpose, user_id: &Uuid) -> Vec<String> {
        self.keys.iter().map(|key| code.mac(key, purpose, user_id)).collect()
    }
}

impl std::fmt::Debug for OneTimeCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneTimeCodes").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
