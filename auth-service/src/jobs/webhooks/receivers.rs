//! The receivers as this process knows them. A login looks them up in memory, not in the database.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use diesel::{QueryResult, result::Error as DieselError};
use uuid::Uuid;

use super::secret_check::{self, WrongSecret};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord},
        webhook::WebhookEvent,
    },
    keys::Secret,
    store::{
        AnyConnection, RecordObserver,
        webhook_messages::NewMessage,
        webhooks::{self, Webhook},
    },
};

/// The receivers, and the secret that seals messages.
pub struct Receivers {
    /// `None`: this process sends no message, and has no secret to seal one.
    secret: Option<Arc<Secret>>,
    /// `None` until the receivers are read for the first time. Until then each transaction reads
    /// them.
    known: ArcSwapOption<Vec<Webhook>>,
    /// Whether the secret is checked before it seals a message.
    is_secret_checked: bool,
}

impl Receivers {
    pub fn new(secret: Option<Arc<Secret>>) -> Self {
        Self { secret, known: ArcSwapOption::empty(), is_secret_checked: false }
    }

    /// Creates the receivers of a command. The command may have another secret than the replicas,
    /// so a transaction that would seal a message with another secret fails.
    pub fn of_command(secret: Option<Arc<Secret>>) -> Self {
        Self { is_secret_checked: true, ..Self::new(secret) }
    }

    /// Replaces the receivers.
    pub fn set(&self, webhooks: Vec<Webhook>) {
        self.known.store(Some(Arc::new(webhooks)));
    }

    /// Returns the receivers. Empty until they are read for the first time.
    pub fn known(&self) -> Vec<Webhook> {
        self.known.load().as_ref().map(|known| known.to_vec()).unwrap_or_default()
    }
}

impl RecordObserver for Receivers {
    fn watches(&self, event: AuditEvent) -> bool {
        let events = WebhookEvent::of(event);
        let known = self.known.load();
        match known.as_ref() {
            None => !events.is_empty(),
            Some(known) => {
                known.iter().any(|webhook| events.iter().any(|event| subscribes(webhook, *event)))
            }
        }
    }

    fn messages(
        &self,
        connection: &mut AnyConnection,
        record: &AuditRecord,
    ) -> QueryResult<Vec<NewMessage>> {
        let known = match self.known.load_full() {
            Some(known) => known,
            None => Arc::new(webhooks::all(connection)?),
        };
        let mut messages = Vec::new();
        for event in WebhookEvent::of(record.event) {
            let subscribers = known.iter().filter(|webhook| subscribes(webhook, *event));
            let subscribers: Vec<&Webhook> = subscribers.collect();
            if subscribers.is_empty() {
                continue;
            }
            let secret = self.secret.as_ref().ok_or_else(no_secret)?;
            if self.is_secret_checked
                && let Some(why) = secret_check::check(connection, secret)?
            {
                return Err(wrong_secret(&why));
            }
            for body in event.bodies(record) {
                messages.extend(
                    subscribers
                        .iter()
                        .map(|webhook| message(secret, webhook, event.name(), record.at_ms, &body)),
                );
            }
        }
        Ok(messages)
    }
}

fn subscribes(webhook: &Webhook, event: WebhookEvent) -> bool {
    webhook.events.split_whitespace().any(|name| name == event.name())
}

fn no_secret() -> DieselError {
    let text = "a receiver of webhooks learns of this change, and the message is sealed with the \
                secret of the replicas: set SECRET_KEY_FILE or DATA_DIR as they have it";
    DieselError::QueryBuilderError(text.into())
}

fn wrong_secret(why: &WrongSecret) -> DieselError {
    let text = format!("a receiver of webhooks learns of this change, but {why}");
    DieselError::QueryBuilderError(text.into())
}

fn message(
    secret: &Secret,
    webhook: &Webhook,
    event: &'static str,
    now_ms: i64,
    body: &str,
) -> NewMessage {
    let id = Uuid::now_v7().to_string();
    NewMessage {
        sealed: secret.seal(&sealed_name(&id), body.as_bytes()),
        id,
        webhook_id: webhook.id.clone(),
        event,
        created_at: now_ms,
        due_at: now_ms,
    }
}

/// Returns the name under which the body of a message is sealed.
pub(super) fn sealed_name(id: &str) -> String {
    format!("webhook message {id}")
}
