//! The JSON object of an export. Times are in UTC (RFC 3339).

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    accounts::{AccountExport, EventRow, SessionRow},
    domain::audit::Actor,
};

/// Everything that is stored about a user.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the members of the answer")]
pub struct Export {
    #[schema(inline)]
    user: Account,
    former_usernames: Vec<FormerName>,
    credentials: Vec<Credential>,
    one_time_codes: Vec<Code>,
    messages: Vec<Message>,
    /// Sessions, live and ended, until their tokens have expired.
    sessions: Vec<Session>,
    /// Events of the audit trail about the user, the oldest first.
    audit_events: Vec<Event>,
}

/// The members of an [`Export`] that are not read page by page.
#[derive(Serialize)]
pub struct AccountParts {
    user: Account,
    former_usernames: Vec<FormerName>,
    credentials: Vec<Credential>,
    one_time_codes: Vec<Code>,
    messages: Vec<Message>,
}

/// The account.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedAccount)]
struct Account {
    id: String,
    username: String,
    email: String,
    /// Id of the user in the system from which the user was imported.
    external_id: Option<String>,
    #[schema(format = DateTime)]
    email_verified_at: Option<String>,
    /// Language of mails, if the user chose one.
    language: Option<String>,
    scopes: Vec<String>,
    roles: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
}

/// A username that the user had, which no other user gets for a while.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedFormerUsername)]
struct FormerName {
    username: String,
    #[schema(format = DateTime)]
    changed_at: String,
}

/// A credential of the user, such as a password. Without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedCredential)]
struct Credential {
    kind: String,
    label: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// A one-time code that is neither used nor expired. Without the code.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedCode)]
struct Code {
    purpose: String,
    /// Address to which the code was mailed.
    email: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A message to the user that is still to be sent. Without its content.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedMessage)]
struct Message {
    kind: String,
    topic: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    given_up_at: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedSession)]
pub struct Session {
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: String,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Why the session ended.
    end_cause: Option<String>,
    user_agent: Option<String>,
    ip: Option<String>,
    /// How the user authenticated (RFC 8176).
    amr: Option<String>,
    #[schema(format = DateTime)]
    auth_time: Option<String>,
}

/// An event of the audit trail.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedEvent)]
pub struct Event {
    #[schema(format = DateTime)]
    at: String,
    event: String,
    actor: String,
    session_id: Option<String>,
    client_id: Option<String>,
    /// `null` if the actor is not the user: the address of another person is not the user's data.
    ip: Option<String>,
    /// As `ip`.
    user_agent: Option<String>,
    detail: Option<String>,
}

impl AccountParts {
    pub fn new(id: &str, export: &AccountExport) -> Self {
        let AccountExport { account, former_usernames, credentials, codes, messages, .. } = export;
        Self {
            user: Account {
                id: id.to_owned(),
                username: account.username.clone(),
                email: account.email.clone(),
                external_id: account.external_id.clone(),
                email_verified_at: account.email_verified_at.map(time),
                language: account.language.clone(),
                scopes: words(&account.scope),
                roles: words(&account.roles),
                created_at: time(account.created_at),
                disabled_at: account.disabled_at.map(time),
            },
            former_usernames: former_usernames
                .iter()
                .map(|former| FormerName {
                    username: former.username.clone(),
                    changed_at: time(former.changed_at_ms),
                })
                .collect(),
            credentials: credentials
                .iter()
                .map(|credential| Credential {
                    kind: credential.kind.clone(),
                    label: credential.label.clone(),
                    created_at: time(credential.created_at),
                    last_used_at: credential.last_used_at.map(time),
                })
                .collect(),
            one_time_codes: codes
                .iter()
                .map(|code| Code {
                    purpose: code.purpose.clone(),
                    email: code.email.clone(),
                    created_at: time(code.created_at),
                    expires_at: time(code.expires_at),
                })
                .collect(),
            messages: messages
                .iter()
                .map(|message| Message {
                    kind: message.kind.clone(),
                    topic: message.topic.clone(),
                    created_at: time(message.created_at),
                    given_up_at: message.given_up_at.map(time),
                })
                .collect(),
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            created_at: time(row.created_at),
            last_used_at: row.last_used_at.map(time),
            expires_at: time(row.expires_at),
            ended_at: row.revoked_at.map(time),
            end_cause: row.revoked_cause,
            user_agent: row.user_agent,
            ip: row.ip,
            amr: row.amr,
            auth_time: row.auth_time.map(time),
        }
    }
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        let is_own = row.actor == Actor::User.name();
        Self {
            at: time(row.at),
            event: row.event,
            actor: row.actor,
            session_id: row.session_id,
            client_id: row.client_id,
            ip: row.ip.filter(|_| is_own),
            user_agent: row.user_agent.filter(|_| is_own),
            detail: row.detail,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}
