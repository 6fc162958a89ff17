//! Audit events: which actor did what to which account, and from where.
//!
//! A record contains no secret. It also contains no name that a client sent to log in, because
//! users type passwords into the wrong field.

use shared::claims::SessionId;

use super::session::{EndCause, Origin};

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    Registration,
    /// An operator created a user.
    UserCreated,
    Login,
    LoginFailed,
    /// The first attempt that was refused after too many failures. Further refusals are not
    /// recorded until the counter is reset.
    LoginThrottled,
    /// An operator reset the counters of a user's failed logins.
    UserUnlocked,
    /// One session of a user ended, or all of them.
    Ended(EndCause),
    PasswordChangeFailed,
    /// A client repeated a refresh within the grace period, from another origin than the rotation's.
    RefreshRetriedElsewhere,
    /// A one-time code for a new password was refused.
    PasswordResetFailed,
    UserEnabled,
    /// An operator granted or revoked scopes or roles.
    ClaimsChange,
    ClientCreated,
    /// An operator changed the scopes or the audiences of a client.
    ClientChanged,
    ClientSecretRotated,
    ClientDeleted,
    /// An operator added a receiver of webhooks.
    WebhookCreated,
    /// An operator changed the events of a receiver.
    WebhookChanged,
    WebhookSecretRotated,
    WebhookDeleted,
    KeyPublished,
    /// The time from which a signing key signs was set.
    KeyActivated,
    KeyRetired,
    /// A message of the outbox could not be sent in time.
    MessageGivenUp,
    /// A one-time code was mailed to a user.
    CodeMailed,
    EmailVerified,
    /// A code that verifies an address was refused.
    EmailVerificationFailed,
    /// A visitor registered the address of a user, who got a mail about it.
    RegistrationRepeated,
    /// A registration with a wrong, used or expired invitation.
    InvitationRefused,
    /// An operator invited a person to register.
    InvitationCreated,
    /// An operator revoked an invitation.
    InvitationRevoked,
    /// A user has a new email address.
    EmailChanged,
    /// A code that changes the email address, or undoes a change, was refused.
    EmailChangeFailed,
    UsernameChanged,
    /// A user proved the password again, within a session.
    Reauthenticated,
    /// A user's current password was wrong at an action that requires it.
    ReauthenticationFailed,
    /// A user who had asked to delete the account returned within the grace period.
    DeletionCancelled,
    /// A user read everything that is stored about the account.
    AccountExported,
    /// An operator imported users from a file.
    UsersImported,
    /// An operator exported all users.
    UsersExported,
    /// An operator reserved a username.
    NameReserved,
    /// An operator released a reserved username.
    NameReleased,
    /// An administrator called a route below `/admin`, and the call changed nothing: it read, or was
    /// refused.
    AdminCall,
}

impl AuditEvent {
    /// Returns the names of all events.
    pub fn names() -> Vec<&'static str> {
        let others = [
            Self::Registration,
            Self::UserCreated,
            Self::Login,
            Self::LoginFailed,
            Self::LoginThrottled,
            Self::UserUnlocked,
            Self::PasswordChangeFailed,
            Self::RefreshRetriedElsewhere,
            Self::PasswordResetFailed,
            Self::UserEnabled,
            Self::ClaimsChange,
            Self::ClientCreated,
            Self::ClientChanged,
            Self::ClientSecretRotated,
            Self::ClientDeleted,
            Self::WebhookCreated,
            Self::WebhookChanged,
            Self::WebhookSecretRotated,
            Self::WebhookDeleted,
            Self::KeyPublished,
            Self::KeyActivated,
            Self::KeyRetired,
            Self::MessageGivenUp,
            Self::CodeMailed,
            Self::EmailVerified,
            Self::EmailVerificationFailed,
            Self::RegistrationRepeated,
            Self::InvitationRefused,
            Self::InvitationCreated,
            Self::InvitationRevoked,
            Self::EmailChanged,
            Self::EmailChangeFailed,
            Self::UsernameChanged,
            Self::Reauthenticated,
            Self::ReauthenticationFailed,
            Self::DeletionCancelled,
            Self::AccountExported,
            Self::UsersImported,
            Self::UsersExported,
            Self::NameReserved,
            Self::NameReleased,
            Self::AdminCall,
        ];
        let ends = EndCause::ALL.map(Self::Ended);
        others.into_iter().chain(ends).map(Self::name).collect()
    }

    /// Returns the name in the database, in the log and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::UserCreated => "user_created",
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::LoginThrottled => "login_throttled",
            Self::UserUnlocked => "user_unlocked",
            Self::Ended(cause) => cause.name(),
            Self::PasswordChangeFailed => "password_change_failed",
            Self::RefreshRetriedElsewhere => "refresh_retried_elsewhere",
            Self::PasswordResetFailed => "password_reset_failed",
            Self::UserEnabled => "user_enabled",
            Self::ClaimsChange => "claims_change",
            Self::ClientCreated => "client_created",
            Self::ClientChanged => "client_changed",
            Self::ClientSecretRotated => "client_secret_rotated",
            Self::ClientDeleted => "client_deleted",
            Self::WebhookCreated => "webhook_created",
            Self::WebhookChanged => "webhook_changed",
            Self::WebhookSecretRotated => "webhook_secret_rotated",
            Self::WebhookDeleted => "webhook_deleted",
            Self::KeyPublished => "key_published",
            Self::KeyActivated => "key_activated",
            Self::KeyRetired => "key_retired",
            Self::MessageGivenUp => "message_given_up",
            Self::CodeMailed => "code_mailed",
            Self::EmailVerified => "email_verified",
            Self::EmailVerificationFailed => "email_verification_failed",
            Self::RegistrationRepeated => "registration_repeated",
            Self::InvitationRefused => "invitation_refused",
            Self::InvitationCreated => "invitation_created",
            Self::InvitationRevoked => "invitation_revoked",
            Self::EmailChanged => "email_changed",
            Self::EmailChangeFailed => "email_change_failed",
            Self::UsernameChanged => "username_changed",
            Self::Reauthenticated => "reauthenticated",
            Self::ReauthenticationFailed => "reauthentication_failed",
            Self::DeletionCancelled => "deletion_cancelled",
            Self::AccountExported => "account_exported",
            Self::UsersImported => "users_imported",
            Self::UsersExported => "users_exported",
            Self::NameReserved => "name_reserved",
            Self::NameReleased => "name_released",
            Self::AdminCall => "admin_call",
        }
    }
}

/// The kind of an initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user, authenticated by a password or a token.
    User,
    /// A client, authenticated by its secret.
    Client,
    /// An operator at the command line.
    Operator,
    /// A user with the role `admin` or `support`, at a route or a page below `/admin`.
    Admin,
    /// This service, without a request.
    Service,
    /// A caller that did not authenticate itself.
    Unknown,
}

impl Actor {
    /// Returns the name in the database and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Service => "service",
            Self::Unknown => "anyone",
        }
    }
}

/// The initiator of a change, and the origin of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initiator {
    pub actor: Actor,
    pub client_id: Option<String>,
    /// Login name of the operator, as the environment of the command states it. Id of the user who
    /// acts as an administrator.
    pub operator: Option<String>,
    pub origin: Origin,
}

impl Initiator {
    pub fn user(origin: Origin) -> Self {
        Self { actor: Actor::User, client_id: None, operator: None, origin }
    }

    pub fn client(id: &str, origin: Origin) -> Self {
        let client_id = Some(id.to_owned());
        Self { actor: Actor::Client, client_id, operator: None, origin }
    }

    pub fn unknown(origin: Origin) -> Self {
        Self { actor: Actor::Unknown, client_id: None, operator: None, origin }
    }

    /// Returns an operator with this login name.
    pub fn operator(login: Option<String>) -> Self {
        let origin = Origin::default();
        Self { actor: Actor::Operator, client_id: None, operator: login, origin }
    }

    /// Returns the user with this id, who acts as an administrator.
    pub fn admin(user_id: &str, origin: Origin) -> Self {
        Self { actor: Actor::Admin, client_id: None, operator: Some(user_id.to_owned()), origin }
    }

    /// Returns whether the user with this id acts as an administrator.
    pub fn is_admin_with_id(&self, user_id: impl ToString) -> bool {
        self.actor == Actor::Admin && self.operator == Some(user_id.to_string())
    }

    pub fn service() -> Self {
        let origin = Origin::default();
        Self { actor: Actor::Service, client_id: None, operator: None, origin }
    }
}

/// An event of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Time of the event, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub event: AuditEvent,
    pub actor: Actor,
    /// The user whose account the event concerns.
    pub user_id: Option<String>,
    pub session_id: Option<SessionId>,
    /// The client that the event concerns, or that initiated it.
    pub client_id: Option<String>,
    /// Login name of the operator, as the environment of the command states it. Id of the user who
    /// acted as an administrator.
    pub operator: Option<String>,
    pub origin: Origin,
    /// More about the event, as text for an operator.
    pub detail: Option<String>,
    /// The sessions that an end of several sessions ended. Not stored with the event.
    pub ended: Vec<SessionId>,
}

impl AuditRecord {
    pub fn new(event: AuditEvent, initiator: Initiator, at_ms: i64) -> Self {
        Self {
            at_ms,
            event,
            actor: initiator.actor,
            user_id: None,
            session_id: None,
            client_id: initiator.client_id,
            operator: initiator.operator,
            origin: initiator.origin,
            detail: None,
            ended: Vec::new(),
        }
    }

    pub fn user(mut self, id: impl ToString) -> Self {
        self.user_id = Some(id.to_string());
        self
    }

    /// As [`AuditRecord::user`], if the user is known.
    pub fn known_user(mut self, id: Option<impl ToString>) -> Self {
        self.user_id = id.map(|id| id.to_string());
        self
    }

    pub fn session(mut self, sid: SessionId) -> Self {
        self.session_id = Some(sid);
        self
    }

    pub fn client(mut self, id: impl ToString) -> Self {
        self.client_id = Some(id.to_string());
        self
    }

    pub fn detail(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Sets the sessions that the event ended, each with its latest possible end, and the detail to
    /// their number.
    pub fn ended_sessions(self, ended: &[(SessionId, i64)]) -> Self {
        let record = match ended.len() {
            1 => self.detail("1 session ended"),
            many => self.detail(format!("{many} sessions ended")),
        };
        record.ending(ended)
    }

    /// Sets the sessions that the event ended, each with its latest possible end.
    pub fn ending(mut self, ended: &[(SessionId, i64)]) -> Self {
        self.ended = ended.iter().map(|(sid, _)| *sid).collect();
        self
    }
}
