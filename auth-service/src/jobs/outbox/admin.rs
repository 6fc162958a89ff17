//! What an operator does with the outbox.

use shared::clock::Clock;

use crate::store::{
    Store, StoreError,
    outbox::{self, Message},
};

/// Use cases of an operator: list messages, and send them again.
pub struct OutboxAdmin {
    pub store: Store,
    pub clock: Clock,
}

/// Error returned when a use case of the operator fails.
#[derive(Debug, thiserror::Error)]
pub enum OutboxAdminError {
    #[error("there is no such message; it may have been sent")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OutboxAdmin {
    /// Returns up to `limit` messages, oldest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(&self, limit: i64) -> Result<Vec<Message>, OutboxAdminError> {
        Ok(self.store.run(move |connection| outbox::list(connection, limit)).await?)
    }

    /// Returns a message.
    ///
    /// # Errors
    /// [`OutboxAdminError`].
    pub async fn find(&self, id: &str) -> Result<Message, OutboxAdminError> {
        let id = id.to_owned();
        let found = self.store.run(move |connection| outbox::find(connection, &id)).await?;
        found.ok_or(OutboxAdminError::NotFound)
    }

    /// Makes a message due now, even if it was given up.
    ///
    /// # Errors
    /// [`OutboxAdminError`].
    pub async fn retry(&self, id: &str) -> Result<(), OutboxAdminError> {
        let (id, now_ms) = (id.to_owned(), self.clock.now_ms());
        let retry = move |connection: &mut _| outbox::retry(connection, &id, now_ms);
        if self.store.run(retry).await? { Ok(()) } else { Err(OutboxAdminError::NotFound) }
    }

    /// Makes all messages that were given up due now. Returns their number.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn retry_given_up(&self) -> Result<usize, OutboxAdminError> {
        let now_ms = self.clock.now_ms();
        Ok(self.store.run(move |connection| outbox::retry_given_up(connection, now_ms)).await?)
    }
}
