//! An operator registers, changes and deletes clients.

use shared::clock::Clock;

use super::clients::Client;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        client::{ClientId, ClientSecret},
        scope::sorted_names,
    },
    store::{RecordedChange, Store, StoreError, clients as rows},
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

/// What a client may do, as the database has it: names in their order, separated by spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDefinition {
    pub scope: String,
    pub audiences: String,
}

impl NewClient {
    /// Returns the scopes and audiences as the database has them.
    ///
    /// # Errors
    /// [`ClientAdminError::TooManyScopes`].
    pub fn definition(&self) -> Result<ClientDefinition, ClientAdminError> {
        let scope = sorted_names(self.scopes.clone());
        if scope.len() > MAX_SCOPE_BYTES {
            return Err(ClientAdminError::TooManyScopes);
        }
        Ok(ClientDefinition { scope, audiences: sorted_names(self.audiences.clone()) })
    }
}

impl ClientDefinition {
    /// Returns the definition of a client that exists.
    pub fn of(client: &Client) -> Self {
        Self { scope: client.scope.clone(), audiences: client.audiences.clone() }
    }

    fn describe(&self) -> String {
        let scope = format!("scope: {}", self.scope);
        if self.audiences.is_empty() {
            scope
        } else {
            format!("{scope}; audiences: {}", self.audiences)
        }
    }
}

/// Use cases of an operator who administers clients.
pub struct ClientAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
}

/// Changes of one client each. A change takes place if the client is still as it was read.
impl ClientAdmin {
    /// Returns the change that registers a client with this secret.
    pub fn creation(
        &self,
        id: &ClientId,
        definition: ClientDefinition,
        secret: &ClientSecret,
    ) -> RecordedChange {
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::ClientCreated, id, now);
        let record = record.detail(definition.describe());
        let client = Client {
            id: id.clone(),
            secret_hash: secret.hash(),
            scope: definition.scope,
            audiences: definition.audiences,
            created_at_ms: now,
            secret_changed_at_ms: now,
        };
        RecordedChange::new(record, move |connection| rows::insert(connection, &client))
    }

    /// Returns the change of a client's scopes and audiences, and the client after it.
    pub fn redefinition(
        &self,
        read: &Client,
        definition: ClientDefinition,
    ) -> (Client, RecordedChange) {
        let record = self.record(AuditEvent::ClientChanged, &read.id, self.clock.now_ms());
        let record = record.detail(definition.describe());
        let ClientDefinition { scope, audiences } = definition;
        replacement(record, read, Client { scope, audiences, ..read.clone() })
    }

    /// Returns the change of a client's secret, and the client after it.
    pub fn rotation(&self, read: &Client, secret: &ClientSecret) -> (Client, RecordedChange) {
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::ClientSecretRotated, &read.id, now);
        let secret_hash = secret.hash();
        replacement(record, read, Client { secret_hash, secret_changed_at_ms: now, ..read.clone() })
    }

    /// Returns the change that deletes a client.
    pub fn deletion(&self, id: &ClientId) -> RecordedChange {
        let record = self.record(AuditEvent::ClientDeleted, id, self.clock.now_ms());
        let id = id.clone();
        RecordedChange::new(record, move |connection| rows::delete(connection, &id))
    }

    fn record(&self, event: AuditEvent, id: &ClientId, now_ms: i64) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), now_ms).client(id.as_str())
    }
}

impl ClientAdmin {
    /// Registers a client. Returns its secret, of which the database gets only a hash.
    ///
    /// # Errors
    /// [`ClientAdminError`].
    pub async fn create(&self, new: NewClient) -> Result<ClientSecret, ClientAdminError> {
        let secret = ClientSecret::generate();
        let creation = self.creation(&new.id, new.definition()?, &secret);
        match self.store.audited_all(vec![creation]).await? {
            true => Ok(secret),
            false => Err(ClientAdminError::Exists(new.id)),
        }
    }

    /// Replaces a client's secret. Returns the new secret.
    ///
    /// # Errors
    /// [`ClientAdminError::Unknown`] or [`ClientAdminError::Store`].
    pub async fn rotate_secret(&self, id: &ClientId) -> Result<ClientSecret, ClientAdminError> {
        let secret = ClientSecret::generate();
        loop {
            let read = id.clone();
            let found = self.store.run(move |connection| rows::find(connection, &read)).await?;
            let client = found.ok_or_else(|| ClientAdminError::Unknown(id.clone()))?;
            let (_, rotation) = self.rotation(&client, &secret);
            // Refused if the client has changed since.
            if self.store.audited_all(vec![rotation]).await? {
                return Ok(secret);
            }
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
        match self.store.audited_all(vec![self.deletion(id)]).await? {
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
}

fn replacement(record: AuditRecord, read: &Client, next: Client) -> (Client, RecordedChange) {
    let (read, replaced) = (read.clone(), next.clone());
    let replace = move |connection: &mut _| rows::replace(connection, &read, &replaced);
    (next, RecordedChange::new(record, replace))
}
