//! The outbox: messages to users are written in the transaction of the change that they tell of,
//! and sent afterwards. A crash may send a message twice, with the same id; it never loses one.
//!
//! A replica claims messages by a lease, which is the time at which they are due again. A replica
//! that crashes loses its leases by the passing of time.

mod admin;
mod backlog;
mod delivery;
mod sealer;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use shared::clock::Clock;
use tokio::{sync::Notify, task::JoinSet};
use uuid::Uuid;

use self::backlog::KnownBacklog;
pub use self::{
    admin::{OutboxAdmin, OutboxAdminError},
    sealer::MailSealer,
};
use super::mail::{Mailer, SEND_TIMEOUT};
use crate::{
    domain::mail::Mail,
    keys::Secret,
    store::{Store, outbox::NewMessage},
};

/// Interval at which a replica looks for messages that are due. A message of this replica is sent
/// at once.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of messages that a replica sends at a time. A mail server that hangs holds up this number
/// of messages; each slot is free for the next message as soon as its own attempt has ended.
const CONCURRENCY: usize = 16;
/// Time for which a replica claims messages: longer than an attempt takes.
const LEASE: Duration = Duration::from_secs(120);
// An attempt must end before its lease, because another replica then sends the mail again.
const _: () = assert!(LEASE.as_secs() >= SEND_TIMEOUT.as_secs() + 30);

/// Outcomes of attempts, for the metrics.
#[derive(Clone, Debug, Default)]
pub struct OutboxMetrics {
    pub sent: Counter,
    pub failed: Counter,
    pub given_up: Counter,
}

/// What an outbox needs.
pub struct OutboxServices {
    pub store: Store,
    pub secret: Arc<Secret>,
    pub mailer: Mailer,
    pub clock: Clock,
    pub metrics: OutboxMetrics,
    /// Time after which a message that cannot be sent is given up.
    pub give_up: Duration,
}

/// Writes messages to the outbox, and sends them.
pub struct Outbox {
    /// Attempts hold the services and not the outbox, so that they do not keep its task alive.
    services: Arc<OutboxServices>,
    /// Wakes the task that sends.
    wake: Arc<Notify>,
    backlog: KnownBacklog,
}

impl Outbox {
    pub fn new(services: OutboxServices) -> Self {
        Self {
            services: Arc::new(services),
            wake: Arc::default(),
            backlog: KnownBacklog::default(),
        }
    }

    /// Seals a mail, for [`insert`](crate::store::outbox::insert) in the transaction of the change
    /// that it tells of. Call [`Outbox::wake`] after the commit.
    pub fn mail(&self, user_id: Option<Uuid>, mail: &Mail) -> NewMessage {
        sealer::seal(&self.services.secret, self.services.clock.now_ms(), user_id, mail)
    }

    /// Sends messages that are due now, instead of within a second.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns the number of messages that are still to be sent, and the age of the oldest. Returns
    /// `None` while the database does not answer.
    pub fn backlog(&self) -> Option<(usize, Duration)> {
        self.backlog.at(self.services.clock.now_ms())
    }

    /// Sends messages that are due, until `this` is dropped.
    pub async fn run(this: Weak<Self>) {
        let mut attempts = JoinSet::new();
        while let Some(outbox) = this.upgrade() {
            while attempts.try_join_next().is_some() {}
            let free = CONCURRENCY - attempts.len();
            let claimed = outbox.services.claim_due(free).await;
            let is_full = claimed.len() == free;
            outbox.backlog.follow(&outbox.services.store, !claimed.is_empty()).await;
            for message in claimed {
                let services = Arc::clone(&outbox.services);
                attempts.spawn(async move { services.attempt(message).await });
            }
            let wake = Arc::clone(&outbox.wake);
            drop(outbox);
            // The end of an attempt or of the interval, whichever comes first.
            let _ = if is_full {
                tokio::time::timeout(INTERVAL, attempts.join_next()).await.map(drop)
            } else {
                tokio::time::timeout(INTERVAL, wake.notified()).await
            };
        }
    }
}
