//! A user proves a password and gets a session.

use shared::claims::SessionId;
use uuid::Uuid;

use super::Accounts;
use crate::{
    credentials::{HashPoolBusy, Verification},
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        login_key::LoginKey,
        password::Password,
        session::Origin,
    },
    metrics::LoginOutcome,
    sessions::FIRST_GENERATION,
    store::{
        StoreError, credentials,
        users::{self, User, UserKey, UserWithPassword},
    },
    tokens::{Minter, NoSigningKey, Session, TokenPair},
};

/// What a user logs in with.
#[derive(Debug)]
pub struct LoginRequest {
    /// `None` for a name that no user can have.
    pub key: Option<LoginKey>,
    pub password: Password,
}

/// A user who has just logged in, and the first tokens of the session.
pub struct LoggedIn {
    pub username: String,
    pub email: String,
    pub tokens: TokenPair,
}

/// Error returned when a login is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The name or the password is wrong, or the user is disabled. The answer does not tell which.
    #[error("the credentials are refused: {0}")]
    Refused(Refusal),
    /// The user changed at each attempt.
    #[error("the user changed during the login")]
    Contended,
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
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "no such user",
            Self::WrongPassword => "wrong password",
            Self::Disabled => "the user is disabled",
        })
    }
}

/// Outcome of one look at a user.
enum Attempt {
    Began(LoggedIn),
    Refused {
        user_id: Option<Uuid>,
        why: Refusal,
    },
    /// The user changed between the look and the begin of the session.
    UserChanged,
}

/// Number of attempts at a login whose user changes meanwhile.
const MAX_ATTEMPTS: usize = 4;

/// Authentication methods of a login with a password (RFC 8176).
const PASSWORD_AMR: &str = "pwd";

impl Accounts {
    /// Logs a user in: begins a session and mints its first tokens.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn log_in(&self, request: LoginRequest, origin: Origin) -> Result<LoggedIn, LoginError> {
        let outcome = self.try_log_in(&request, &origin).await;
        self.metrics.count_login(match &outcome {
            Ok(_) => LoginOutcome::Succeeded,
            Err(LoginError::Refused(_)) => LoginOutcome::Refused,
            Err(LoginError::Busy(_)) => LoginOutcome::Busy,
            Err(_) => LoginOutcome::Unavailable,
        });
        outcome
    }

    async fn try_log_in(&self, request: &LoginRequest, origin: &Origin) -> Result<LoggedIn, LoginError> {
        // Asked before anything is decided: without a key there would be a session without tokens.
        let minter = self.tokens.minter()?;
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt_login(&minter, request, origin).await? {
                Attempt::Began(logged_in) => return Ok(logged_in),
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
        let permit = self.passwords.queue().await?;
        let found = self.find(request.key.clone()).await?;
        let stored = found.as_ref().and_then(|found| found.password.as_ref());
        let hash = stored.map(|password| &password.hash);
        let verification = self.passwords.verify(permit, hash, request.password.clone()).await?;
        let Some(UserWithPassword { user, password }) = found else {
            return Ok(Attempt::Refused { user_id: None, why: Refusal::UnknownUser });
        };
        let refused = |why| Ok(Attempt::Refused { user_id: Some(user.id), why });
        if verification == Verification::Wrong {
            return refused(Refusal::WrongPassword);
        }
        if user.disabled_at_ms.is_some() {
            return refused(Refusal::Disabled);
        }
        let credential_id = password.as_ref().map(|password| password.id.clone());
        if let (Verification::RightWithNewHash(new), Some(old)) = (verification, password) {
            let id = user.id.to_string();
            let rehash = move |connection: &mut _| credentials::rehash(connection, &id, &old, &new);
            self.store.run(rehash).await?;
        }
        let attempt = self.begin_session(minter, &user, origin).await?;
        if let (Attempt::Began(_), Some(id)) = (&attempt, credential_id) {
            self.sessions.note_credential_use(id);
        }
        Ok(attempt)
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
        origin: &Origin,
    ) -> Result<Attempt, LoginError> {
        let sid = SessionId::generate();
        let session = Session {
            sid,
            user: user.claims(),
            auth_time: self.clock.now_secs(),
            ends_at: self.tokens.session_end(),
        };
        if !self.sessions.begin(&session, user.revision, PASSWORD_AMR, origin.clone()).await? {
            return Ok(Attempt::UserChanged);
        }
        let expiry = self.tokens.refresh_expiry(&session);
        let tokens = minter.pair(&session, session.user.scope.clone(), FIRST_GENERATION, expiry);
        let username = user.username.clone();
        let email = user.email.clone();
        Ok(Attempt::Began(LoggedIn { username, email, tokens }))
    }

    async fn record_refusal(&self, user_id: Option<Uuid>, why: Refusal, origin: &Origin) {
        let initiator = Initiator::unknown(origin.clone());
        let record = AuditRecord::new(AuditEvent::LoginFailed, initiator, self.clock.now_ms());
        let record = user_id.iter().fold(record, |record, id| record.user(id));
        self.store.remember(record.detail(why)).await;
    }
}
