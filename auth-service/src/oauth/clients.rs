//! Registered clients: authenticated from a short-lived cache, administered in the database.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use shared::clock::Clock;

use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        client::{ClientId, ClientSecret},
    },
    store::{
        Store, StoreError,
        clients::{self as rows, Client},
    },
};

/// Time after which a cached client is read again: a deleted client or a replaced secret is accepted no longer than this.
const CACHE_TIME: Duration = Duration::from_secs(2);
/// The same while the database is unreachable.
const CACHE_TIME_IN_OUTAGE: Duration = Duration::from_secs(300);
/// Number of cached clients.
const CACHE_CAPACITY: usize = 1000;
/// Maximum size of a client's scopes: every token holds them, and the size of a token is limited.
pub const MAX_SCOPE_BYTES: usize = 2000;

/// The registered clients, as requests look them up.
pub struct Clients {
    store: Store,
    cache: Cache<String, (Client, Instant)>,
}

impl Clients {
    pub fn new(store: Store) -> Self {
        Self { store, cache: Cache::new(CACHE_CAPACITY) }
    }

    /// Returns the client with this id, if the secret is the client's.
    ///
    /// # Errors
    /// If the client is not cached and the database does not answer.
    pub async fn authenticate(&self, id: &str, secret: &ClientSecret) -> Result<Option<Client>, StoreError> {
        Ok(self.find(id).await?.filter(|client| client.secret_hash.matches(secret)))
    }

    /// Returns the client with this id.
    ///
    /// # Errors
    /// If the client is not cached and the database does not answer.
    pub async fn find(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let Ok(parsed) = ClientId::parse(id) else { return Ok(None) };
        let cached = self.cache.get(id);
        if let Some((client, since)) = &cached
            && since.elapsed() < CACHE_TIME
        {
            return Ok(Some(client.clone()));
        }
        match (self.store.run(move |connection| rows::find(connection, &parsed)).await, cached) {
            (Ok(Some(client)), _) => {
                self.cache.insert(id.to_owned(), (client.clone(), Instant::now()));
                Ok(Some(client))
            }
            (Ok(None), _) => {
                self.cache.remove(id);
                Ok(None)
            }
            (Err(StoreError::Unavailable), Some((client, since)))
                if since.elapsed() < CACHE_TIME_IN_OUTAGE =>
            {
                Ok(Some(client))
            }
            (Err(why), _) => Err(why),
        }
    }
}

/// Error returned when a client cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientAdminError {
    #[error("there is a client {} already", .0.as_str())]
    Exists(ClientId),
    #[error("there is no client {}", .0.as_str())]
    Unknown(ClientId),
    #[error("more than {MAX_SCOPE_BYTES} bytes of scopes")]
    TooManyScopes,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A client to register.
#[derive(Clone, Debug)]
pub struct NewClient {
    pub id: ClientId,
    pub scopes: Vec<String>,
    /// Audiences of the client's own access tokens. Empty: those of the setting AUDIENCE.
    pub audiences: Vec<String>,
}

/// Use cases of an operator who administers clients.
pub struct ClientAdmin {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
}

impl ClientAdmin {
    /// Registers a client. Returns its secret, of which only a hash is stored.
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
        let insert = move |connection: &mut _| {
            let inserted = rows::insert(connection, &client)?;
            Ok((inserted, inserted.then_some(record)))
        };
        if self.store.audited(insert).await? { Ok(secret) } else { Err(ClientAdminError::Exists(id)) }
    }

    /// Replaces a client's secret. Returns the new one.
    ///
    /// # Errors
    /// [`ClientAdminError::Unknown`] or [`ClientAdminError::Store`].
    pub async fn rotate_secret(&self, id: &ClientId) -> Result<ClientSecret, ClientAdminError> {
        let secret = ClientSecret::generate();
        let hash = secret.hash();
        let now = self.clock.now_ms();
        let record = self.record(AuditEvent::ClientSecretRotated, id, now);
        let client_id = id.clone();
        let replace = move |connection: &mut _| {
            let replaced = rows::replace_secret(connection, &client_id, &hash, now)?;
            Ok((replaced, replaced.then_some(record)))
        };
        match self.store.audited(replace).await? {
            true => Ok(secret),
            false => Err(ClientAdminError::Unknown(id.clone())),
        }
    }

    /// Registers a client, or replaces the secret of one that exists. Returns the secret. For a process that runs both sides.
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
        let delete = move |connection: &mut _| {
            let deleted = rows::delete(connection, &client_id)?;
            Ok((deleted, deleted.then_some(record)))
        };
        match self.store.audited(delete).await? {
            true => Ok(()),
            false => Err(ClientAdminError::Unknown(id.clone())),
        }
    }

    /// Returns all clients, in the order of their ids.
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
    if client.audiences.is_empty() { scope } else { format!("{scope}; audiences: {}", client.audiences) }
}
