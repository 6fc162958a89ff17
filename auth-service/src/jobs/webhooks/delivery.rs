//! One attempt for each message that is due.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use shared::clock::Clock;

use super::{
    keyring::Keyring,
    receivers::{Receivers, sealed_name},
    sender::{SendError, Sender, SignedMessage},
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        retry_schedule::Retry,
        webhook::{WebhookUrl, receiver_name},
    },
    keys::Secret,
    store::{
        Store,
        webhook_messages::{self, Message},
        webhooks::{self, Webhook},
    },
};

/// Time for which a replica claims messages: longer than an attempt takes.
pub const LEASE: Duration = Duration::from_secs(60);

/// Maximum number of messages that one transaction gives up.
const PAGE: usize = 1000;
/// Maximum number of such transactions for a receiver between its attempts.
const PAGES: usize = 10;

/// Outcomes of attempts, for the metrics.
#[derive(Clone, Debug, Default)]
pub struct WebhookMetrics {
    pub sent: Counter,
    pub failed: Counter,
    pub given_up: Counter,
}

/// What sending needs.
pub struct WebhookServices {
    pub store: Store,
    pub secret: Arc<Secret>,
    pub clock: Clock,
    pub receivers: Arc<Receivers>,
    pub sender: Sender,
    pub metrics: WebhookMetrics,
    /// Time after which a message that cannot be sent is given up.
    pub give_up: Duration,
}

/// Error returned when a message was not sent.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("the {0} does not open with this secret (SECRET_KEY_FILE)")]
    OtherSecret(&'static str),
    #[error("the URL {0}")]
    Url(&'static str),
    #[error(transparent)]
    Send(#[from] SendError),
}

impl WebhookServices {
    /// Reads the receivers. If the database does not answer, the last ones stay.
    pub(super) async fn refresh_receivers(&self) {
        if self.store.is_migrated()
            && let Ok(webhooks) = self.store.run(webhooks::all).await
        {
            self.receivers.set(webhooks);
        }
    }

    /// Gives up messages to a receiver that have waited for an attempt for longer than `give_up`,
    /// without an attempt of each. Otherwise the messages of a receiver that never answers would
    /// grow in number without bound, because the number of attempts at a time is bounded. Each page
    /// has one audit event.
    ///
    /// A message is due from the start, and due again at most `give_up` after its start. So the time
    /// since when a message is due, which has an index, bounds the age of the message too.
    pub(super) async fn give_up_overdue(&self, receiver: &Webhook) {
        for _ in 0..PAGES {
            let now_ms = self.clock.now_ms();
            // With a shorter time, a replica that is slow for a moment would attempt no message.
            let than_ms = now_ms - self.give_up.max(LEASE).as_millis() as i64;
            let id = receiver.id.clone();
            let is_any = move |connection: &mut _| {
                webhook_messages::is_any_overdue(connection, &id, than_ms)
            };
            // Without such a message, no transaction takes the write lock of SQLite.
            if !matches!(self.store.run(is_any).await, Ok(true)) {
                return;
            }
            let (id, name) = (receiver.id.clone(), receiver_name(&receiver.url, &receiver.id));
            let give_up = move |connection: &mut _| {
                let count = webhook_messages::give_up_overdue(
                    connection,
                    &id,
                    than_ms,
                    now_ms,
                    PAGE as i64,
                )?;
                let record =
                    AuditRecord::new(AuditEvent::MessageGivenUp, Initiator::service(), now_ms);
                let detail =
                    format!("{count} messages to {name}: due for longer than WEBHOOK_GIVE_UP");
                Ok((count, (count > 0).then(|| record.detail(detail))))
            };
            // The log has the reason of a failure of the database; the next round tries again.
            let Ok(count) = self.store.audited(give_up).await else { return };
            if count > 0 {
                self.metrics.given_up.inc_by(count as u64);
                let name = receiver_name(&receiver.url, &receiver.id);
                log::error!("{count} messages to {name}: given up, due for too long");
            }
            if count < PAGE {
                return;
            }
        }
    }

    /// Claims up to `limit` messages to a receiver that are due. The log has the reason of a failure
    /// of the database; the next call tries again.
    pub(super) async fn claim_due(&self, receiver: &Webhook, limit: usize) -> Vec<Message> {
        if limit == 0 {
            return Vec::new();
        }
        let now_ms = self.clock.now_ms();
        let lease_end_ms = now_ms + LEASE.as_millis() as i64;
        let id = receiver.id.clone();
        let claim = move |connection: &mut _| {
            webhook_messages::claim(connection, &id, now_ms, lease_end_ms, limit as i64)
        };
        self.store.run(claim).await.unwrap_or_default()
    }

    /// Attempts to send a claimed message, and records the outcome.
    pub(super) async fn attempt(&self, receiver: &Webhook, message: Message) {
        match self.send(receiver, &message).await {
            Ok(()) => {
                self.metrics.sent.inc();
                let (id, now_ms) = (message.id, self.clock.now_ms());
                // If this fails, the message is sent once more at the end of the lease.
                let record = move |connection: &mut _| {
                    webhook_messages::record_sent(connection, &id, now_ms)
                };
                let _ = self.store.run(record).await;
            }
            Err(why) => self.record_failure(receiver, message, &why).await,
        }
    }

    async fn send(&self, receiver: &Webhook, message: &Message) -> Result<(), AttemptError> {
        let Webhook { id: webhook_id, url, sealed, .. } = receiver;
        let keyring = Keyring::open(&self.secret, webhook_id, sealed)
            .ok_or(AttemptError::OtherSecret("receiver's secret"))?;
        let body = self
            .secret
            .open(&sealed_name(&message.id), &message.sealed)
            .and_then(|plain| String::from_utf8(plain).ok())
            .ok_or(AttemptError::OtherSecret("message"))?;
        let url = WebhookUrl::parse(url).map_err(AttemptError::Url)?;
        let now_ms = self.clock.now_ms();
        let signature = keyring.sign(&message.id, now_ms, &body);
        let signed = SignedMessage { id: &message.id, timestamp: now_ms / 1000, signature, body };
        self.sender.send(&url, signed).await?;
        Ok(())
    }

    async fn record_failure(&self, receiver: &Webhook, message: Message, why: &AttemptError) {
        self.metrics.failed.inc();
        let Message { id, event, attempts, created_at, .. } = message;
        let name = receiver_name(&receiver.url, &receiver.id);
        let now_ms = self.clock.now_ms();
        let age = Duration::from_millis(now_ms.saturating_sub(created_at).max(0) as u64);
        let reason = why.to_string();
        match Retry::after_failure(attempts, age, self.give_up, fastrand::f64()) {
            Retry::After(delay) => {
                log::warn!("{event} {id} to {name}: attempt {attempts} failed: {why}");
                let due_at_ms = now_ms + delay.as_millis() as i64;
                let reschedule = move |connection: &mut _| {
                    webhook_messages::reschedule(connection, &id, attempts, due_at_ms, &reason)
                };
                let _ = self.store.run(reschedule).await;
            }
            Retry::GiveUp => {
                log::error!("{event} {id} to {name}: given up after {attempts} attempts: {why}");
                let record =
                    AuditRecord::new(AuditEvent::MessageGivenUp, Initiator::service(), now_ms);
                let record = record.detail(format!("{event} {id} to {name}: {why}"));
                let give_up = move |connection: &mut _| {
                    webhook_messages::give_up(connection, &id, attempts, now_ms, &reason)
                };
                if matches!(self.store.audited_if(record, give_up).await, Ok(true)) {
                    self.metrics.given_up.inc();
                }
            }
        }
    }
}
