//! Webhooks: what receivers learn of, and how a message is signed (Standard Webhooks 1.0).

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Url;
use serde_json::{Value, json};
use shared::claims::SessionId;

use super::{
    audit::{AuditEvent, AuditRecord},
    session::EndCause,
    time::to_millisecond,
};

/// An event that receivers can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    UserRegistered,
    /// The username, the email address, scopes or roles changed, or the user is disabled, enabled,
    /// to be deleted, or not to be deleted any more.
    UserUpdated,
    UserDeleted,
    EmailVerified,
    /// The password changed, or an operator voided it.
    PasswordChanged,
    SessionStarted,
    SessionEnded,
}

impl WebhookEvent {
    pub const ALL: [Self; 7] = [
        Self::UserRegistered,
        Self::UserUpdated,
        Self::UserDeleted,
        Self::EmailVerified,
        Self::PasswordChanged,
        Self::SessionStarted,
        Self::SessionEnded,
    ];

    /// Returns the type of the event in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserRegistered => "user.registered",
            Self::UserUpdated => "user.updated",
            Self::UserDeleted => "user.deleted",
            Self::EmailVerified => "email.verified",
            Self::PasswordChanged => "password.changed",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
        }
    }

    /// Parses the type of an event.
    ///
    /// # Errors
    /// If there is no such event; the text lists the events.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|event| event.name() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("is no event: the events are {known}")
        })
    }

    /// Returns the events that an event of the audit trail stands for.
    pub fn of(event: AuditEvent) -> &'static [Self] {
        match event {
            AuditEvent::Registration | AuditEvent::UserCreated => &[Self::UserRegistered],
            AuditEvent::ClaimsChange
            | AuditEvent::UserEnabled
            | AuditEvent::UsernameChanged
            | AuditEvent::EmailChanged
            | AuditEvent::DeletionCancelled => &[Self::UserUpdated],
            AuditEvent::EmailVerified => &[Self::EmailVerified],
            AuditEvent::Login => &[Self::SessionStarted],
            AuditEvent::Ended(cause) => Self::of_end(cause),
            _ => &[],
        }
    }

    fn of_end(cause: EndCause) -> &'static [Self] {
        match cause {
            EndCause::UserDisabled | EndCause::DeletionRequested | EndCause::EmailChangeUndone => {
                &[Self::UserUpdated, Self::SessionEnded]
            }
            EndCause::UserDeleted => &[Self::UserDeleted, Self::SessionEnded],
            EndCause::PasswordChange | EndCause::PasswordReset => {
                &[Self::PasswordChanged, Self::SessionEnded]
            }
            EndCause::Logout
            | EndCause::Reuse
            | EndCause::Revocation
            | EndCause::LogoutEverywhere
            | EndCause::EndedByOwner
            | EndCause::EndedByAdmin
            | EndCause::SessionLimit => &[Self::SessionEnded],
        }
    }

    /// Returns the bodies of the messages about a record, in JSON. None for a record that names no
    /// user, or for the end of no session.
    pub fn bodies(self, record: &AuditRecord) -> Vec<String> {
        let Some(user_id) = &record.user_id else { return Vec::new() };
        let data = json!({"user_id": user_id, "cause": record.event.name()});
        match self {
            Self::SessionStarted => {
                let session = record.session_id.map(|sid| sid.to_string());
                vec![self.body(record.at_ms, with(&data, "session_id", json!(session)))]
            }
            Self::SessionEnded => {
                let ids: Vec<SessionId> =
                    record.session_id.into_iter().chain(record.ended.iter().copied()).collect();
                let bodies = ids.chunks(MAX_SESSIONS).map(|ids| {
                    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                    self.body(record.at_ms, with(&data, "session_ids", json!(ids)))
                });
                bodies.collect()
            }
            _ => vec![self.body(record.at_ms, data)],
        }
    }

    fn body(self, at_ms: i64, data: Value) -> String {
        body(self.name(), at_ms, &data)
    }
}

/// Type of the message with which an operator tests a receiver.
pub const TEST_EVENT: &str = "webhook.test";

/// Maximum number of sessions in one message, which stays below 20 kB.
const MAX_SESSIONS: usize = 100;

/// Returns the body of a message.
pub fn body(event: &str, at_ms: i64, data: &Value) -> String {
    json!({"type": event, "timestamp": to_millisecond(at_ms), "data": data}).to_string()
}

fn with(data: &Value, name: &str, value: Value) -> Value {
    let mut data = data.clone();
    data[name] = value;
    data
}

/// URL of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// The rule that the URL breaks, as the end of a sentence about it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is no URL")?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err("must begin with https:// or http://");
        }
        // Commands name the URL.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user or a password");
        }
        if url.fragment().is_some() {
            return Err("must not contain a fragment");
        }
        Ok(Self(url))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Returns whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// Returns the name of a receiver for the log and the audit trail: scheme and host of its URL, and
/// its id. The rest of the URL may contain a secret.
pub fn receiver_name(url: &str, id: &str) -> String {
    let origin = Url::parse(url).map(|url| url.origin().ascii_serialization());
    format!("{} ({id})", origin.as_deref().unwrap_or("an invalid URL"))
}

/// Prefix of a secret.
const SECRET_PREFIX: &str = "whsec_";

/// The secret that a receiver shares with this service. `Debug` prints no content.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(redacted)")
    }
}

impl WebhookSecret {
    /// Parses a secret: `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// The rule that the secret breaks, without the secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "is not whsec_ and the base64 of 24 to 64 random bytes";
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(MALFORMED)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| MALFORMED)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(MALFORMED) }
    }

    /// Returns the secret as a receiver writes it.
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// Returns the signature of a message at this time, in seconds since the Unix epoch.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let tag = sign(&Key::new(HMAC_SHA256, &self.0), signed.as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Initiator;

    #[test]
    fn signature_is_that_of_the_specification() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }

    #[test]
    fn name_of_a_receiver_has_no_path_and_no_query() {
        let name = receiver_name("https://hooks.example.com:8443/T0/s3cret?token=s3cret", "id1");
        assert_eq!(name, "https://hooks.example.com:8443 (id1)");
        assert_eq!(receiver_name("s3cret", "id1"), "an invalid URL (id1)");
    }

    #[test]
    fn malformed_secret_is_refused() {
        for bad in
            ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwj=", "whsec_!"]
        {
            assert!(WebhookSecret::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn end_of_many_sessions_is_sent_in_bounded_messages() {
        let event = AuditEvent::Ended(EndCause::LogoutEverywhere);
        let record = AuditRecord::new(event, Initiator::service(), 1_700_000_000_123);
        let ended: Vec<_> = (0..201).map(|_| (SessionId::generate(), 0)).collect();
        let record = record.user("ada").ended_sessions(&ended);
        let bodies = WebhookEvent::SessionEnded.bodies(&record);
        assert_eq!(bodies.len(), 3);
        assert!(bodies.iter().all(|body| body.len() < 20_000));
        let first: Value = serde_json::from_str(&bodies[0]).unwrap();
        assert_eq!(first["timestamp"], "2023-11-14T22:13:20.123Z");
        assert_eq!(first["data"]["cause"], "logout_everywhere");
        assert_eq!(first["data"]["session_ids"].as_array().unwrap().len(), 100);
        let none = AuditRecord::new(event, Initiator::service(), 0).user("ada");
        assert!(WebhookEvent::SessionEnded.bodies(&none).is_empty());
    }
}
