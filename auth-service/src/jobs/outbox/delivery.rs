//! One attempt for each message that is due.

use std::time::Duration;

use super::{LEASE, OutboxServices, sealer::sealed_name};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        mail::Mail,
        retry_schedule::Retry,
    },
    jobs::mail::SendError,
    store::outbox::{self, Message},
};

impl OutboxServices {
    /// Claims up to `limit` messages that are due. The log has the reason of a failure of the
    /// database; the next call tries again.
    pub(super) async fn claim_due(&self, limit: usize) -> Vec<Message> {
        if limit == 0 || !self.store.is_migrated() {
            return Vec::new();
        }
        let now_ms = self.clock.now_ms();
        let lease_end_ms = now_ms + LEASE.as_millis() as i64;
        let claim =
            move |connection: &mut _| outbox::claim(connection, now_ms, lease_end_ms, limit as i64);
        self.store.run(claim).await.unwrap_or_default()
    }

    /// Attempts to send a claimed message, and records the outcome.
    pub(super) async fn attempt(&self, message: Message) {
        match self.send(&message).await {
            Ok(()) => {
                self.metrics.sent.inc();
                let id = message.id;
                // If this fails, the message is sent once more at the end of the lease.
                let delete = move |connection: &mut _| outbox::delete_sent(connection, &id);
                let _ = self.store.run(delete).await;
            }
            Err(why) => self.record_failure(message, why).await,
        }
    }

    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let opened = self.secret.open(&sealed_name(&message.id), &message.sealed);
        let plain = opened.ok_or_else(|| {
            SendError("the message does not open with this secret (SECRET_KEY_FILE)".into())
        })?;
        let mail: Mail = serde_json::from_slice(&plain)
            .map_err(|_| SendError("the message is of a newer version".into()))?;
        self.mailer.send(&message.id, message.created_at, &mail).await
    }

    async fn record_failure(&self, message: Message, why: SendError) {
        self.metrics.failed.inc();
        let Message { id, topic, attempts, created_at, user_id, .. } = message;
        let now_ms = self.clock.now_ms();
        let age = Duration::from_millis(now_ms.saturating_sub(created_at).max(0) as u64);
        let why = why.to_string();
        match Retry::after_failure(attempts, age, self.give_up, fastrand::f64()) {
            Retry::After(delay) => {
                log::warn!("{topic} {id}: attempt {attempts} failed: {why}");
                let due_at_ms = now_ms + delay.as_millis() as i64;
                let reschedule = move |connection: &mut _| {
                    outbox::reschedule(connection, &id, attempts, due_at_ms, &why)
                };
                let _ = self.store.run(reschedule).await;
            }
            Retry::GiveUp => {
                log::error!("{topic} {id}: given up after {attempts} attempts: {why}");
                let record =
                    AuditRecord::new(AuditEvent::MessageGivenUp, Initiator::service(), now_ms);
                let record = record.known_user(user_id).detail(format!("{topic} {id}: {why}"));
                let give_up = move |connection: &mut _| {
                    outbox::give_up(connection, &id, attempts, now_ms, &why)
                };
                if matches!(self.store.audited_if(record, give_up).await, Ok(true)) {
                    self.metrics.given_up.inc();
                }
            }
        }
    }
}
