//! A user proves to read the mail of the account's address.

use uuid::Uuid;

use super::{Accounts, CodeError, RequestCodeError};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        one_time_code::{CodePurpose, OneTimeCode},
        session::Origin,
    },
    store::{
        StoreError, one_time_codes,
        users::{self, User, UserKey},
    },
};

impl Accounts {
    /// Mails a code that verifies the address of a user who has not verified it yet. The caller
    /// does not learn whether there is such a user. A key that is an id comes from an access token.
    ///
    /// # Errors
    /// [`RequestCodeError`].
    pub async fn request_email_verification(
        &self,
        key: UserKey,
        origin: Origin,
    ) -> Result<(), RequestCodeError> {
        let purpose = CodePurpose::VerifyEmail;
        if let UserKey::Login(key) = key {
            return self.mail_code_for_anyone(key, purpose, origin).await;
        }
        let user = self.find_user(key).await?;
        self.mail_code(user, purpose, Initiator::user(origin));
        Ok(())
    }

    /// Verifies the address of the user who has the code. The code is spent.
    ///
    /// # Errors
    /// [`CodeError`].
    pub async fn verify_email(
        &self,
        key: UserKey,
        code: Option<OneTimeCode>,
        origin: Origin,
    ) -> Result<(), CodeError> {
        let work = self.try_verify_email(key, code, origin.clone());
        let is_failure = |why: &CodeError| matches!(why, CodeError::WrongCode);
        self.count_for_address(&origin, work, is_failure).await
    }

    async fn try_verify_email(
        &self,
        key: UserKey,
        code: Option<OneTimeCode>,
        origin: Origin,
    ) -> Result<(), CodeError> {
        let refused_by = match &key {
            UserKey::Id(_) => Initiator::user(origin.clone()),
            UserKey::Login(_) => Initiator::unknown(origin.clone()),
        };
        let user = self.find_user(key).await?;
        let user_id = user.as_ref().map(|user| user.id);
        let code = code.unwrap_or_else(OneTimeCode::generate);
        let id = user_id.unwrap_or(Uuid::nil());
        let macs = self.codes.macs(&code, CodePurpose::VerifyEmail, &id);
        let now = self.clock.now_ms();
        let initiator = Initiator::user(origin);
        let record = AuditRecord::new(AuditEvent::EmailVerified, initiator, now).user(id);
        let verify = move |connection: &mut _| {
            let Some(code) = one_time_codes::find(connection, &macs, now)? else {
                return Ok(false);
            };
            Ok(one_time_codes::spend(connection, &code.mac, now)?
                && users::set_email_verified(connection, &code.user_id, code.revision, now)?)
        };
        if self.store.audited_if(record, verify).await? {
            return Ok(());
        }
        let record = AuditRecord::new(AuditEvent::EmailVerificationFailed, refused_by, now);
        self.store.record_event(record.known_user(user_id).detail("wrong code")).await;
        Err(CodeError::WrongCode)
    }

    pub(super) async fn find_user(&self, key: UserKey) -> Result<Option<User>, StoreError> {
        let find = move |connection: &mut _| match key {
            UserKey::Id(id) => users::find(connection, &id),
            UserKey::Login(key) => users::find_by_login(connection, &key),
        };
        self.store.run(find).await
    }
}
