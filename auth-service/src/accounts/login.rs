//! A user proves a password and gets a session.

use std::fmt;

use shared::claims::SessionId;
use uuid::Uuid;

use super::Accounts;
use crate::{
    credentials::{HashPoolBusy, Verification},
    domain::{
        account_rules::EmailVerification,
        audience::AudienceNotGranted,
        audit::{AuditEvent, AuditRecord, Initiator},
        login_key::LoginKey,
        one_time_code::CodePurpose,
        password::Password,
        refresh_decision::TokenGeneration,
        session::Origin,
        throttle::Settlement,
    },
    metrics::LoginOutcome,
    store::{
        StoreError, credentials,
        users::{self, User, UserKey, UserWithPassword},
    },
    throttle::{Account, Admission, Attempt as CountedAttempt, Throttled},
    tokens::{Credential, Grant, Minter, NoSigningKey, Session, SessionTokens},
};

/// A request to log a user in.
pub struct LoginRequest {
    pub name: LoginName,
    pub password: Password,
    /// Tokens of an earlier login, which show that the client's device is known to the user.
    pub earlier_tokens: Vec<String>,
    /// The audiences that the session is for. Empty: all audiences of a user.
    pub audiences: Vec<String>,
    /// What the client keeps to get further access tokens.
    pub credential: Credential,
    /// Whether a user who must verify the address gets a mail with a code. `false` right after the
    /// registration, which has mailed one.
    pub mails_code: bool,
}

/// The name that a client sent to log in. `Debug` prints no content, because users type passwords
/// into the wrong field.
#[derive(Clone)]
pub struct LoginName {
    text: String,
    /// `None` if no user can have the name.
    key: Option<LoginKey>,
}

impl LoginName {
    pub fn new(text: String) -> Self {
        let key = LoginKey::parse(&text);
        Self { text, key }
    }

    /// Returns the name of the counter of a known user. It is the kind of the name, not the name: a
    /// new username must not get a new counter.
    fn kind(&self) -> &'static [u8] {
        match &self.key {
            Some(LoginKey::Email(_)) => b"email",
            Some(LoginKey::Username(_)) | None => b"username",
        }
    }

    /// Returns bytes that are equal for all spellings of one name.
    fn to_bytes(&self) -> Vec<u8> {
        match &self.key {
            Some(key) => key.to_bytes(),
            None => ["invalid:", &self.text].concat().into_bytes(),
        }
    }
}

impl fmt::Debug for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginName(redacted)")
    }
}

/// A user who has just logged in, and the first tokens of the session.
pub struct LoggedIn {
    pub username: String,
    pub email: String,
    pub tokens: SessionTokens,
    /// Shows at a later login that the device is known. `None`, if the client keeps tokens, each of
    /// which shows so.
    pub device_cookie: Option<String>,
}

/// Error returned when a login is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The name or the password is wrong, or the user is disabled. The client does not learn which.
    /// A client with the right password learns that the address is not verified.
    #[error("the credentials are refused: {0}")]
    Refused(Refusal),
    /// Too many attempts have failed, or wait for their outcome.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The user changed during each attempt.
    #[error("the user changed during the login")]
    Contended,
    #[error(transparent)]
    Audience(#[from] AudienceNotGranted),
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reason of a refused login, for the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    UnknownUser,
    WrongPassword,
    Disabled,
    /// The password is right, but the user must verify the address first.
    Unverified,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "no such user",
            Self::WrongPassword => "wrong password",
            Self::Disabled => "the user is disabled",
            Self::Unverified => "the email address is not verified",
        })
    }
}

/// Outcome of one attempt.
enum Attempt {
    Began {
        sid: SessionId,
        logged_in: LoggedIn,
    },
    Refused {
        user_id: Option<Uuid>,
        why: Refusal,
    },
    /// The user changed between the verification of the password and the start of the session.
    UserChanged,
}

/// Maximum number of attempts if the user changes during each.
const MAX_ATTEMPTS: usize = 4;

/// Authentication methods of a login with a password (RFC 8176).
const PASSWORD_AMR: &str = "pwd";

impl Accounts {
    /// Logs a user in: begins a session and mints its first tokens.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn log_in(
        &self,
        request: LoginRequest,
        origin: Origin,
    ) -> Result<LoggedIn, LoginError> {
        // Checked first, so that a refused audience costs no hash.
        self.tokens.user_audience(&[], &request.audiences)?;
        let outcome = self.try_log_in(&request, &origin).await;
        self.metrics.count_login(match &outcome {
            Ok(_) => LoginOutcome::Succeeded,
            Err(LoginError::Refused(_)) => LoginOutcome::Refused,
            Err(LoginError::Throttled(Throttled::Refused(_))) => LoginOutcome::Throttled,
            Err(LoginError::Busy(_) | LoginError::Throttled(Throttled::Busy)) => LoginOutcome::Busy,
            Err(_) => LoginOutcome::Unavailable,
        });
        if matches!(outcome, Err(LoginError::Throttled(_))) {
            self.throttle.delay_refusal().await;
        }
        outcome
    }

    async fn try_log_in(
        &self,
        request: &LoginRequest,
        origin: &Origin,
    ) -> Result<LoggedIn, LoginError> {
        // Checked first: without a key there would be a session without tokens.
        let minter = self.tokens.minter()?;
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt_login(&minter, request, origin).await? {
                Attempt::Began { logged_in, .. } => return Ok(logged_in),
                Attempt::Refused { user_id, why } => {
                    self.record_refusal(user_id, why, origin).await;
                    return Err(LoginError::Refused(why));
                }
                Attempt::UserChanged => {}
            }
        }
        Err(LoginError::Contended)
    }

    async fn attempt_login(
        &self,
        minter: &Minter<'_>,
        request: &LoginRequest,
        origin: &Origin,
    ) -> Result<Attempt, LoginError> {
        let permit = self.passwords.queue(origin.address_prefix()).await?;
        let found = self.find(request.name.key.clone()).await?;
        let name = request.name.to_bytes();
        let admission = self.admit_login(request, &name, found.as_ref(), origin).await?;
        let is_known_client = admission.is_of_known_client();
        let stored = found.as_ref().and_then(|found| found.password.as_ref());
        let hash = stored.map(|password| &password.hash);
        let verified = self.passwords.verify(permit, hash, &name, request.password.clone()).await;
        let settlement = settlement(&verified, found.as_ref());
        self.throttle.settle(admission, settlement).await;
        let verification = verified?;
        let Some(found) = found else {
            return Ok(Attempt::Refused { user_id: None, why: Refusal::UnknownUser });
        };
        let UserWithPassword { user, password, is_deletion_pending, is_email_verified } = found;
        let refused = |why| Ok(Attempt::Refused { user_id: Some(user.id), why });
        if verification == Verification::Wrong {
            return refused(Refusal::WrongPassword);
        }
        if user.disabled_at_ms.is_some() {
            return refused(Refusal::Disabled);
        }
        if !is_email_verified && self.rules.email_verification == EmailVerification::Required {
            let id = user.id;
            // The password is right, so the code counts as one that the user asked for.
            if request.mails_code {
                let initiator = Initiator::user(origin.clone());
                self.mail_code(Some(user), CodePurpose::VerifyEmail, initiator);
            }
            return Ok(Attempt::Refused { user_id: Some(id), why: Refusal::Unverified });
        }
        let credential_id = password.as_ref().map(|password| password.id.clone());
        if let (Verification::RightWithNewHash(new), Some(old)) = (verification, password) {
            let id = user.id.to_string();
            let rehash = move |connection: &mut _| credentials::rehash(connection, &id, &old, &new);
            self.store.run(rehash).await?;
        }
        let attempt = self.begin_session(minter, &user, request, origin).await?;
        if let (Attempt::Began { sid, .. }, false) = (&attempt, is_known_client)
            && self.rules.mails_new_devices
        {
            self.mail_new_device(&user, *sid, origin);
        }
        if is_deletion_pending && matches!(attempt, Attempt::Began { .. }) {
            self.cancel_deletion(user, origin).await?;
        }
        if let (Attempt::Began { .. }, Some(id)) = (&attempt, credential_id) {
            self.sessions.record_credential_use(id);
        }
        Ok(attempt)
    }

    /// Counts the attempt, in the lane of the client's device if that device is known to the user.
    async fn admit_login(
        &self,
        request: &LoginRequest,
        name: &[u8],
        found: Option<&UserWithPassword>,
        origin: &Origin,
    ) -> Result<Admission, Throttled> {
        let user = found.map(|found| (found.user.id.to_string(), found.user.revision));
        let mut device = None;
        for token in &request.earlier_tokens {
            // Read for an unknown user too, so that the time of the answer is the same.
            let earlier = self.tokens.earlier_login(token).await;
            let is_of_user = |sub: &str| user.as_ref().is_some_and(|(id, _)| id == sub);
            device = device.or(earlier.filter(|(sub, _)| is_of_user(sub)).map(|(_, sid)| sid));
        }
        let (account, name) = match &user {
            Some((id, revision)) => {
                (Account::User { id, revision: *revision }, request.name.kind())
            }
            None => (Account::Unknown, name),
        };
        let attempt = CountedAttempt { account, name, device, address: origin.address_prefix() };
        self.admit(&attempt, user.as_ref().map(|(id, _)| id.as_str()), origin).await
    }

    async fn find(&self, key: Option<LoginKey>) -> Result<Option<UserWithPassword>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let key = UserKey::Login(key);
        self.store.run(move |connection| users::find_with_password(connection, &key)).await
    }

    async fn begin_session(
        &self,
        minter: &Minter<'_>,
        user: &User,
        request: &LoginRequest,
        origin: &Origin,
    ) -> Result<Attempt, LoginError> {
        let audience = self.tokens.user_audience(&[], &request.audiences)?;
        let sid = SessionId::generate();
        let session = Session {
            sid,
            user: user.claims(),
            audiences: request.audiences.clone(),
            auth_time: self.clock.now_secs(),
            ends_at: self.tokens.session_end(),
        };
        if !self.sessions.begin(&session, user.revision, PASSWORD_AMR, origin.clone()).await? {
            return Ok(Attempt::UserChanged);
        }
        let expiry = self.tokens.refresh_expiry(&session);
        let grant = Grant { scope: session.user.scope.clone(), audience };
        let first = TokenGeneration::FIRST;
        let tokens = minter.tokens(&session, grant, first, expiry, request.credential);
        let logged_in = LoggedIn {
            username: user.username.clone(),
            email: user.email.clone(),
            device_cookie: tokens
                .cookie
                .as_ref()
                .map(|_| self.tokens.device_cookie(&session.user.sub, sid)),
            tokens,
        };
        Ok(Attempt::Began { sid, logged_in })
    }

    async fn record_refusal(&self, user_id: Option<Uuid>, why: Refusal, origin: &Origin) {
        let initiator = Initiator::unknown(origin.clone());
        let record = AuditRecord::new(AuditEvent::LoginFailed, initiator, self.clock.now_ms());
        let record = record.known_user(user_id);
        self.store.record_event(record.detail(why)).await;
    }
}

/// Returns the outcome for the throttle. A disabled user counts as a wrong password, because the
/// client must not learn the difference.
fn settlement(
    verified: &Result<Verification, HashPoolBusy>,
    found: Option<&UserWithPassword>,
) -> Settlement {
    let is_enabled = found.is_some_and(|found| found.user.disabled_at_ms.is_none());
    match verified {
        Err(HashPoolBusy) => Settlement::Cancelled,
        Ok(Verification::Right | Verification::RightWithNewHash(_)) if is_enabled => {
            Settlement::Succeeded
        }
        Ok(_) => Settlement::Failed,
    }
}
