//! What an operator does with webhooks.

use std::sync::Arc;

use serde_json::json;
use shared::clock::Clock;
use uuid::Uuid;

use super::{
    keyring::Keyring,
    secret_check::{self, WrongSecret},
    sender::{SendError, Sender, SignedMessage},
};
pub use crate::store::webhook_messages::{Counts, Filter, Message};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        webhook::{self, TEST_EVENT, WebhookEvent, WebhookSecret, WebhookUrl, receiver_name},
    },
    keys::Secret,
    store::{
        RecordedChange, Store, StoreError, webhook_messages,
        webhooks::{self, Webhook},
    },
};

/// Use cases of an operator who administers webhooks.
pub struct WebhookAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
    /// Opens and seals the secrets of receivers.
    pub secret: Arc<Secret>,
}

/// Error returned when a use case of the operator fails.
#[derive(Debug, thiserror::Error)]
pub enum WebhookAdminError {
    #[error("there is no receiver {0}: name one by its URL or id, as `webhooks list` prints it")]
    UnknownReceiver(String),
    #[error(
        "there is no such message; it may have been deleted a week after it was sent, or its \
         receiver was removed"
    )]
    UnknownMessage,
    #[error(
        "the secret of the receiver does not open with this secret (SECRET_KEY_FILE): apply the \
         file with the receiver again"
    )]
    OtherSecret,
    #[error("{0}")]
    WrongSecret(WrongSecret),
    #[error("the URL {0}")]
    Url(&'static str),
    #[error("{0}")]
    Send(#[from] SendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A receiver, and the number of its messages.
#[derive(Clone, Debug)]
pub struct WebhookState {
    pub webhook: Webhook,
    pub counts: Counts,
}

/// A receiver that has accepted a test message.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    pub url: String,
    /// Status of the answer.
    pub status: u16,
    /// Id of the message.
    pub id: String,
}

impl WebhookAdmin {
    /// Returns all receivers, ordered by URL.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn all(&self) -> Result<Vec<Webhook>, WebhookAdminError> {
        Ok(self.store.run(webhooks::all).await?)
    }

    /// Checks that the secret is that of the replicas, before it seals the secret of a receiver.
    ///
    /// # Errors
    /// [`WebhookAdminError::WrongSecret`] or [`WebhookAdminError::Store`].
    pub async fn check_secret(&self) -> Result<(), WebhookAdminError> {
        let secret = Arc::clone(&self.secret);
        let check = move |connection: &mut _| secret_check::check(connection, &secret);
        match self.store.run(check).await? {
            None => Ok(()),
            Some(why) => Err(WebhookAdminError::WrongSecret(why)),
        }
    }

    /// Returns all receivers with the number of their messages, ordered by URL.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn states(&self) -> Result<Vec<WebhookState>, WebhookAdminError> {
        let read = |connection: &mut _| {
            let webhooks = webhooks::all(connection)?;
            let states = webhooks.into_iter().map(|webhook| {
                let counts = webhook_messages::counts(connection, &webhook.id)?;
                Ok(WebhookState { webhook, counts })
            });
            states.collect()
        };
        Ok(self.store.run(read).await?)
    }

    /// Returns the receiver with this URL or id.
    ///
    /// # Errors
    /// [`WebhookAdminError`].
    pub async fn find(&self, name: &str) -> Result<Webhook, WebhookAdminError> {
        let found = self.all().await?.into_iter();
        let mut found = found.filter(|webhook| webhook.id == name || webhook.url == name);
        found.next().ok_or_else(|| WebhookAdminError::UnknownReceiver(name.to_owned()))
    }

    /// Sends a test message to a receiver now. It is not written to the database.
    ///
    /// # Errors
    /// [`WebhookAdminError`].
    pub async fn test(
        &self,
        name: &str,
        sender: &Sender,
    ) -> Result<TestOutcome, WebhookAdminError> {
        let webhook = self.find(name).await?;
        let keyring = self.keyring(&webhook).ok_or(WebhookAdminError::OtherSecret)?;
        let url = WebhookUrl::parse(&webhook.url).map_err(WebhookAdminError::Url)?;
        let now_ms = self.clock.now_ms();
        let id = Uuid::now_v7().to_string();
        let body = webhook::body(TEST_EVENT, now_ms, &json!({}));
        let signature = keyring.sign(&id, now_ms, &body);
        let message = SignedMessage { id: &id, timestamp: now_ms / 1000, signature, body };
        let status = sender.send(&url, message).await?.as_u16();
        Ok(TestOutcome { url: webhook.url, status, id })
    }

    /// Returns up to `limit` messages, the newest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn messages(
        &self,
        filter: Filter,
        limit: i64,
    ) -> Result<Vec<Message>, WebhookAdminError> {
        let list = move |connection: &mut _| webhook_messages::list(connection, &filter, limit);
        Ok(self.store.run(list).await?)
    }

    /// Makes a message due now, also if it was sent or given up.
    ///
    /// # Errors
    /// [`WebhookAdminError`].
    pub async fn replay(&self, id: &str) -> Result<(), WebhookAdminError> {
        let (id, now_ms) = (id.to_owned(), self.clock.now_ms());
        let replay = move |connection: &mut _| webhook_messages::replay(connection, &id, now_ms);
        match self.store.run(replay).await? {
            true => Ok(()),
            false => Err(WebhookAdminError::UnknownMessage),
        }
    }

    /// Makes all messages to a receiver that were given up due now. Returns their number.
    ///
    /// # Errors
    /// [`WebhookAdminError`].
    pub async fn replay_given_up(&self, name: &str) -> Result<usize, WebhookAdminError> {
        let (id, now_ms) = (self.find(name).await?.id, self.clock.now_ms());
        let replay =
            move |connection: &mut _| webhook_messages::replay_given_up(connection, &id, now_ms);
        Ok(self.store.run(replay).await?)
    }

    /// Returns whether `secret` is the present secret of a receiver. `false` also if the stored one
    /// does not open.
    pub fn has_secret(&self, webhook: &Webhook, secret: &WebhookSecret) -> bool {
        self.keyring(webhook).is_some_and(|keyring| keyring.is_current(secret))
    }

    fn keyring(&self, webhook: &Webhook) -> Option<Keyring> {
        Keyring::open(&self.secret, &webhook.id, &webhook.sealed)
    }
}

/// Changes of one receiver each. A change takes place if the receiver is still as it was read.
impl WebhookAdmin {
    /// Returns the change that adds a receiver.
    pub fn creation(
        &self,
        url: &WebhookUrl,
        events: &[WebhookEvent],
        secret: WebhookSecret,
    ) -> RecordedChange {
        let id = Uuid::now_v7().to_string();
        let webhook = Webhook {
            sealed: Keyring::new(secret).seal(&self.secret, &id),
            id,
            url: url.as_str().to_owned(),
            events: event_names(events),
            created_at: self.clock.now_ms(),
        };
        let record = self.record(AuditEvent::WebhookCreated, &webhook);
        RecordedChange::new(record, move |connection| webhooks::insert(connection, &webhook))
    }

    /// Returns the change of a receiver's events, and the receiver after it.
    pub fn subscription(
        &self,
        read: &Webhook,
        events: &[WebhookEvent],
    ) -> (Webhook, RecordedChange) {
        let next = Webhook { events: event_names(events), ..read.clone() };
        replacement(self.record(AuditEvent::WebhookChanged, &next), read, next)
    }

    /// Returns the change of a receiver's secret, and the receiver after it. The former secret signs
    /// too for a day.
    pub fn rotation(&self, read: &Webhook, secret: WebhookSecret) -> (Webhook, RecordedChange) {
        let keyring = match self.keyring(read) {
            Some(keyring) => keyring.rotated(secret, self.clock.now_ms()),
            None => Keyring::new(secret),
        };
        let next = Webhook { sealed: keyring.seal(&self.secret, &read.id), ..read.clone() };
        replacement(self.record(AuditEvent::WebhookSecretRotated, &next), read, next)
    }

    /// Returns the change that deletes a receiver. The cleanup deletes its messages.
    pub fn deletion(&self, webhook: &Webhook) -> RecordedChange {
        let record = self.record(AuditEvent::WebhookDeleted, webhook);
        let id = webhook.id.clone();
        RecordedChange::new(record, move |connection| webhooks::delete(connection, &id))
    }

    fn record(&self, event: AuditEvent, webhook: &Webhook) -> AuditRecord {
        let record = AuditRecord::new(event, self.initiator.clone(), self.clock.now_ms());
        let name = receiver_name(&webhook.url, &webhook.id);
        record.detail(format!("{name}; events: {}", webhook.events))
    }
}

fn replacement(record: AuditRecord, read: &Webhook, next: Webhook) -> (Webhook, RecordedChange) {
    let (read, replaced) = (read.clone(), next.clone());
    let replace = move |connection: &mut _| webhooks::replace(connection, &read, &replaced);
    (next, RecordedChange::new(record, replace))
}

/// Returns the names of events, separated by spaces, in the order of the events.
pub fn event_names(events: &[WebhookEvent]) -> String {
    let named = WebhookEvent::ALL.into_iter().filter(|event| events.contains(event));
    named.map(WebhookEvent::name).collect::<Vec<_>>().join(" ")
}
