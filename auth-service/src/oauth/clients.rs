//! Registered clients, authenticated from a short-lived cache.

use std::time::{Duration, Instant};

pub use crate::store::clients::Client;
use crate::{
    domain::client::{ClientId, ClientSecret},
    store::{Store, StoreError, clients as rows},
};
use quick_cache::sync::Cache;

/// Time after which a cached client is read again. A deleted client or a replaced secret is
/// accepted no longer than this.
const CACHE_TIME: Duration = Duration::from_secs(2);
/// Time for which a cached client is used while the database is unreachable.
const CACHE_TIME_IN_OUTAGE: Duration = Duration::from_secs(300);
/// Maximum number of cached clients.
const CACHE_CAPACITY: usize = 1000;

/// Looks up registered clients.
pub struct Clients {
    store: Store,
    cache: Cache<String, (Client, Instant)>,
}

impl Clients {
    pub fn new(store: Store) -> Self {
        Self { store, cache: Cache::new(CACHE_CAPACITY) }
    }

    /// Returns the client with this id and secret. `None` if the id is unknown or the secret is
    /// wrong.
    ///
    /// # Errors
    /// If the client is not cached and the database does not answer.
    pub async fn authenticate(
        &self,
        id: &str,
        secret: &ClientSecret,
    ) -> Result<Option<Client>, StoreError> {
        Ok(self.find(id).await?.filter(|client| client.secret_hash.matches(secret)))
    }

    /// Returns the client with this id. `None` if the id is unknown.
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
        let read = self.store.run(move |connection| rows::find(connection, &parsed)).await;
        match (read, cached) {
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
