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
    Login,
    LoginFailed,
    /// One session of a user ended, or all of them.
    Ended(EndCause),
    PasswordChangeFailed,
    UserEnabled,
    /// An operator granted or revoked scopes or roles.
    ClaimsChange,
    ClientCreated,
    ClientSecretRotated,
    ClientDeleted,
    KeyPublished,
    /// The time from which a signing key signs was set.
    KeyActivated,
    KeyRetired,
}

impl AuditEvent {
    /// Returns the name in the database, in the log and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::Ended(cause) => cause.name(),
            Self::PasswordChangeFailed => "password_change_failed",
            Self::UserEnabled => "user_enabled",
            Self::ClaimsChange => "claims_change",
            Self::ClientCreated => "client_created",
            Self::ClientSecretRotated => "client_secret_rotated",
            Self::ClientDeleted => "client_deleted",
            Self::KeyPublished => "key_published",
            Self::KeyActivated => "key_activated",
            Self::KeyRetired => "key_retired",
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
    pub origin: Origin,
}

impl Initiator {
    pub fn user(origin: Origin) -> Self {
        Self { actor: Actor::User, client_id: None, origin }
    }

    pub fn client(id: &str, origin: Origin) -> Self {
        Self { actor: Actor::Client, client_id: Some(id.to_owned()), origin }
    }

    pub fn unknown(origin: Origin) -> Self {
        Self { actor: Actor::Unknown, client_id: None, origin }
    }

    pub fn operator() -> Self {
        Self { actor: Actor::Operator, client_id: None, origin: Origin::default() }
    }

    pub fn service() -> Self {
        Self { actor: Actor::Service, client_id: None, origin: Origin::default() }
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
    pub origin: Origin,
    /// More about the event, as text for an operator.
    pub detail: Option<String>,
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
            origin: initiator.origin,
            detail: None,
        }
    }

    pub fn user(mut self, id: impl ToString) -> Self {
        self.user_id = Some(id.to_string());
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
}
