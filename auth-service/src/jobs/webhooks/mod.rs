//! Webhooks: messages to receivers are written in the transaction of the change that they tell of,
//! and sent afterwards (Standard Webhooks 1.0). A crash may send a message twice, with the same id;
//! it never loses one.
//!
//! Each receiver has attempts of its own, so a receiver that never answers holds up only its own
//! messages.
//!
//! | module | content |
//! |---|---|
//! | `receivers` | the receivers as this process knows them; turns audit records into messages |
//! | `keyring` | the secrets of a receiver, sealed |
//! | `secret_check` | checks that a command seals with the secret of the replicas |
//! | `guard` | refuses addresses that no webhook may be sent to |
//! | `sender` | one attempt over HTTP |
//! | `delivery` | claims messages, and records the outcomes |
//! | `admin` | use cases of an operator |

mod admin;
mod delivery;
mod guard;
mod keyring;
mod receivers;
mod secret_check;
mod sender;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet, time::timeout};

use self::delivery::LEASE;
pub use self::{
    admin::{
        Filter, Message, TestOutcome, WebhookAdmin, WebhookAdminError, WebhookState, event_names,
    },
    delivery::{WebhookMetrics, WebhookServices},
    guard::AddressPolicy,
    receivers::Receivers,
    sender::{SEND_TIMEOUT, Sender},
};
pub use crate::store::webhooks::Webhook;

/// Interval at which a replica looks for messages that are due, and for changes of the receivers.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of attempts at a time for each receiver.
const CONCURRENCY: usize = 4;
// An attempt must end before its lease, because another replica then sends the message again.
const _: () = assert!(LEASE.as_secs() >= SEND_TIMEOUT.as_secs() + 30);

/// Sends messages to receivers.
pub struct Webhooks {
    /// Attempts hold the services and not the webhooks, so that they do not keep its task alive.
    services: Arc<WebhookServices>,
}

impl Webhooks {
    pub fn new(services: WebhookServices) -> Self {
        Self { services: Arc::new(services) }
    }

    /// Sends messages that are due, until `this` is dropped.
    pub async fn run(this: Weak<Self>) {
        let mut running: HashMap<String, JoinSet<()>> = HashMap::new();
        // Wakes this task when an attempt ends.
        let ended = Arc::new(Notify::new());
        while let Some(webhooks) = this.upgrade() {
            let services = &webhooks.services;
            services.refresh_receivers().await;
            let mut is_full = false;
            for receiver in services.receivers.known() {
                let attempts = running.entry(receiver.id.clone()).or_default();
                while attempts.try_join_next().is_some() {}
                services.give_up_overdue(&receiver).await;
                let free = CONCURRENCY - attempts.len();
                let claimed = services.claim_due(&receiver, free).await;
                is_full |= claimed.len() == free;
                for message in claimed {
                    let services = Arc::clone(services);
                    let (receiver, ended) = (receiver.clone(), Arc::clone(&ended));
                    attempts.spawn(async move {
                        services.attempt(&receiver, message).await;
                        ended.notify_one();
                    });
                }
            }
            running.retain(|_, attempts| !attempts.is_empty());
            drop(webhooks);
            if is_full {
                let _ = timeout(INTERVAL, ended.notified()).await;
            } else {
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }
}
