//! Seals mails for the outbox.

use shared::clock::Clock;
use uuid::Uuid;

use crate::{domain::mail::Mail, keys::Secret, store::outbox::NewMessage};

/// Seals mails in a process that sends none: a replica sends them.
pub struct MailSealer {
    pub secret: Secret,
    pub clock: Clock,
}

impl MailSealer {
    /// Seals a mail, for [`insert`](crate::store::outbox::insert).
    pub fn mail(&self, user_id: Option<Uuid>, mail: &Mail) -> NewMessage {
        seal(&self.secret, self.clock.now_ms(), user_id, mail)
    }
}

pub(super) fn seal(secret: &Secret, now_ms: i64, user_id: Option<Uuid>, mail: &Mail) -> NewMessage {
    let id = Uuid::now_v7().to_string();
    let plain = serde_json::to_vec(mail).expect("a mail of strings and numbers");
    NewMessage {
        sealed: secret.seal(&sealed_name(&id), &plain),
        id,
        kind: "mail",
        topic: mail.message.topic(),
        user_id: user_id.map(|id| id.to_string()),
        created_at: now_ms,
        due_at: now_ms,
        counter: None,
    }
}

/// Returns the name under which the content of a message is sealed.
pub(super) fn sealed_name(id: &str) -> String {
    format!("outbox {id}")
}
