//! What is worth remembering: who did what to which account, and from where. No secret is in it, and no name that
//! somebody typed to log in: people type passwords into the wrong field.

use shared::claims::SessionId;

use super::session::{EndCause, Origin};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    Registration,
    Login,
    LoginFailed,
    /// A session ended, or all of a user's.
    Ended(EndCause),
    PasswordChangeFailed,
    UserEnabled,
    /// Scopes or roles were given or taken.
    ClaimsChange,
    ClientCreated,
    ClientSecretRotated,
    ClientDeleted,
    KeyPublished,
    /// It was said from when on a key signs.
    KeyActivated,
    KeyRetired,
}

impl AuditEvent {
    /// What it is called, in the database, the log and on the command line.
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

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, who had shown a password or a token.
    User,
    /// A client, which had shown its secret.
    Client,
    /// Whoever runs the command line.
    Operator,
    /// This service by itself.
    Service,
    /// Nobody that could be told.
    Anyone,
}

impl Actor {
    /// What it is called, in the database and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Operator => "operator",
            Self::Service => "service",
            Self::Anyone => "anyone",
        }
    }
}

/// Who asks for something, and from where.
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

    pub fn anyone(origin: Origin) -> Self {
        Self { actor: Actor::Anyone, client_id: None, origin }
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
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub event: AuditEvent,
    pub actor: Actor,
    /// Whose account it is about.
    pub user_id: Option<String>,
    pub session_id: Option<SessionId>,
    /// Which client it is about, or did it.
    pub client_id: Option<String>,
    pub origin: Origin,
    /// What else there is to say.
    pub detail: Option<String>,
}

impl AuditRecord {
    pub fn new(event: AuditEvent, by: Initiator, at_ms: i64) -> Self {
        let Initiator { actor, client_id, origin } = by;
        Self { at_ms, event, actor, user_id: None, session_id: None, client_id, origin, detail: None }
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

    /// Says it in the log, in fields.
    pub fn log(&self) {
        let session = self.session_id.map(|sid| sid.to_string());
        let optional = [
            ("user", self.user_id.as_deref()),
            ("session", session.as_deref()),
            ("client", self.client_id.as_deref()),
            ("ip", self.origin.ip.as_deref()),
            ("user_agent", self.origin.user_agent.as_deref()),
            ("detail", self.detail.as_deref()),
        ];
        let mut fields = vec![("event", self.event.name()), ("actor", self.actor.name())];
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let mut line = log::Record::builder();
        line.target("audit").level(log::Level::Info).key_values(&fields);
        log::logger().log(&line.args(format_args!("{}", self.event.name())).build());
    }
}
