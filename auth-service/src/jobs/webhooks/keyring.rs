//! The secrets of a receiver, sealed for the database.

use serde::{Deserialize, Serialize};

use crate::{domain::webhook::WebhookSecret, keys::Secret};

/// Time for which messages are also signed with the secret before the present one, so that a
/// receiver can change its secret without refusing a message: a day.
const OVERLAP_MS: i64 = 86_400_000;

/// The secrets of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    current: WebhookSecret,
    /// The secret before, and the time until which it signs too, in milliseconds since the Unix
    /// epoch.
    previous: Option<(WebhookSecret, i64)>,
}

/// The sealed form.
#[derive(Deserialize, Serialize)]
struct Stored {
    current: String,
    previous: Option<String>,
    #[serde(default)]
    previous_until: i64,
}

impl Keyring {
    pub fn new(current: WebhookSecret) -> Self {
        Self { current, previous: None }
    }

    /// Returns the keyring with another secret. The present one signs too for a day.
    pub fn rotated(&self, next: WebhookSecret, now_ms: i64) -> Self {
        Self { current: next, previous: Some((self.current.clone(), now_ms + OVERLAP_MS)) }
    }

    /// Returns whether this is the present secret.
    pub fn is_current(&self, secret: &WebhookSecret) -> bool {
        self.current == *secret
    }

    /// Returns the signatures of a message (`webhook-signature`).
    pub fn sign(&self, id: &str, now_ms: i64, body: &str) -> String {
        let timestamp = now_ms / 1000;
        let previous = self.previous.iter().filter(|(_, until_ms)| now_ms < *until_ms);
        let secrets = std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret));
        let signatures = secrets.map(|secret| secret.sign(id, timestamp, body));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// Seals the keyring of the receiver with this id.
    pub fn seal(&self, secret: &Secret, webhook_id: &str) -> String {
        let (previous, previous_until) = self.previous.clone().unzip();
        let stored = Stored {
            current: self.current.reveal(),
            previous: previous.map(|secret| secret.reveal()),
            previous_until: previous_until.unwrap_or_default(),
        };
        let plain = serde_json::to_vec(&stored).expect("strings and a number");
        secret.seal(&sealed_name(webhook_id), &plain)
    }

    /// Opens a sealed keyring. `None` if it was sealed with another secret.
    pub fn open(secret: &Secret, webhook_id: &str, sealed: &str) -> Option<Self> {
        let plain = secret.open(&sealed_name(webhook_id), sealed)?;
        let Stored { current, previous, previous_until } = serde_json::from_slice(&plain).ok()?;
        let previous = previous.and_then(|text| WebhookSecret::parse(&text).ok());
        Some(Self {
            current: WebhookSecret::parse(&current).ok()?,
            previous: previous.map(|secret| (secret, previous_until)),
        })
    }
}

/// Returns the name under which the secrets of a receiver are sealed.
fn sealed_name(webhook_id: &str) -> String {
    format!("webhook {webhook_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> WebhookSecret {
        use base64::{Engine, engine::general_purpose::STANDARD};
        WebhookSecret::parse(&format!("whsec_{}", STANDARD.encode([byte; 32]))).unwrap()
    }

    #[test]
    fn former_secret_signs_for_a_day() {
        let rotated = Keyring::new(secret(1)).rotated(secret(2), 1000);
        let (old, new) = (secret(1).sign("id", 1, "{}"), secret(2).sign("id", 1, "{}"));
        assert_eq!(rotated.sign("id", 1000, "{}"), format!("{new} {old}"));
        let later = 1000 + OVERLAP_MS;
        assert_eq!(rotated.sign("id", later, "{}"), secret(2).sign("id", later / 1000, "{}"));
        assert!(rotated.is_current(&secret(2)) && !rotated.is_current(&secret(1)));
    }
}
