//! An operator registers, changes and deletes clients.

use shared::clock::Clock;

use super::clients::Client;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        client::{ClientId, ClientSecret},
    },
    store::{Store, StoreError, clients as rows},
};

/// Maximum size of a client's scopes. Every token contains them, and the size of a token is
/// limited.
const MAX_SCOPE_BYTES: usize = 2000;

/// Error returned when a client cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientAdminError {
    #[error("the client {} exists already", .0.as_str())]
    Exists(ClientId),
    #[error("the client {} does not exist", .0.as_str())]
    Unknown(ClientId),
    #[error("the scopes are longer than {MAX_SCOPE_BYTES} bytes")]
    TooManyScopes,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A client to register.
#[derive(Clone, Debug)]
pub struct NewClient {
    pub id: ClientId,
    pub scopes: Vec<String>,
    /// Audiences of the client's own access tokens. Empty: the audiences of the setting AUDIENCE.
    pub audiences: Vec<String>,
}

/// Use cases of an operator who administers clients.
pub struct ClientAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
}

impl ClientAdmin {
    /// Registers a client. Returns its secret, of which the database gets only a hash.
    ///
    /// # Errors
    /// [`ClientAdminError`].
    pub async fn create(&self, new: NewClient) -> Result<ClientSecret, ClientAdminError> {
        let NewClient { id, scopes, audiences } = new;
        let scope = sorted_names(scopes);
        if scope.len() > MAX_SCOPE_BYTES {
            return Err(ClientAdminError::TooManyScopes);
        }
        let secret = ClientSecret::generate();
        let now = self.clock.now_ms();
        let client = Client {
            id: id.clone(),
            secret_hash: secret.hash(),
            scope,
            audiences: sorted_names(audiences),
            created_at_ms: now,
            secret_changed_at_ms: now,
        };
        let record = self.record(AuditEvent::ClientCreated, &id, now);
        let record = record.detail(describe(&client));
        let insert = move |connection: &mut _| rows::insert(connection, &client);
        match self.store.audited_if(record, insert).await? {
            true => Ok(secret),
            false => Err(ClientAdminError::Exists(id)),
        }
    }

    /// Replaces a client's secret. Returns the new secret.
    ///
    /// # Errors
    /// [`ClientAdminError::Unknown`] or [`ClientAdminError::Store`].
    pub async fn rotate_secret(&self, id: &ClientId) -> Result<ClientSecret, ClientAdminError> {
        let secret = ClientSecret::generate();
        let hash = secret.hash();
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::ClientSecretRotated, id, now);
        let client_id = id.clone();
        let replace =
            move |connection: &mut _| rows::replace_secret(connection, &client_id, &hash, now);
        match self.store.audited_if(record, replace).await? {
            true => Ok(secret),
            false => Err(ClientAdminError::Unknown(id.clone())),
        }
    }

    /// Registers a client, or replaces the secret of a client that exists. Returns the secret.
    ///
    /// # Errors
    /// [`ClientAdminError`].
    pub async fn create_or_rotate(&self, new: NewClient) -> Result<ClientSecret, ClientAdminError> {
        match self.create(new).await {
            Err(ClientAdminError::Exists(id)) => self.rotate_secret(&id).await,
            created => created,
        }
    }

    /// Deletes a client. Its tokens stay valid until they expire.
    ///
    /// # Errors
    /// [`ClientAdminError::Unknown`] or [`ClientAdminError::Store`].
    pub async fn delete(&self, id: &ClientId) -> Result<(), ClientAdminError> {
        let record = self.record(AuditEvent::ClientDeleted, id, self.clock.now_ms());
        let client_id = id.clone();
        let delete = move |connection: &mut _| rows::delete(connection, &client_id);
        match self.store.audited_if(record, delete).await? {
            true => Ok(()),
            false => Err(ClientAdminError::Unknown(id.clone())),
        }
    }

    /// Returns up to `limit` clients, ordered by id, starting after the id `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn page(
        &self,
        after: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<Client>, ClientAdminError> {
        let page = move |connection: &mut _| {
            rows::page(connection, after.as_ref().map(ClientId::as_str), limit)
        };
        Ok(self.store.run(page).await?)
    }

    /// Returns all clients, ordered by id.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(&self) -> Result<Vec<Client>, ClientAdminError> {
        Ok(self.store.run(rows::all).await?)
    }

    fn record(&self, event: AuditEvent, id: &ClientId, now_ms: i64) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), now_ms).client(id.as_str())
    }
}

fn sorted_names(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    names.join(" ")
}

fn describe(client: &Client) -> String {
    let scope = format!("scope: {}", client.scope);
    if client.audiences.is_empty() {
        scope
    } else {
        format!("{scope}; audiences: {}", client.audiences)
    }
}
