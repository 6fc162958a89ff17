//! Who may ask in its own right: clients, remembered for a moment so that not every request reads the database.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::{
    domain::client::{ClientId, ClientSecret},
    store::{
        Store, StoreError,
        clients::{self as rows, Client},
    },
};

/// How long a client that was deleted, or a secret that was replaced, may still be taken for good.
const REMEMBERED: Duration = Duration::from_secs(2);
/// The same while the database is out of reach.
const REMEMBERED_IN_AN_OUTAGE: Duration = Duration::from_secs(300);
/// How many are remembered.
const CAPACITY: usize = 1000;

/// The registered clients.
pub struct Clients {
    store: Store,
    known: Cache<String, (Client, Instant)>,
}

impl Clients {
    pub fn new(store: Store) -> Self {
        Self { store, known: Cache::new(CAPACITY) }
    }

    /// The client of this id, if the secret is its own.
    pub async fn authenticate(&self, id: &str, secret: &ClientSecret) -> Result<Option<Client>, StoreError> {
        Ok(self.find(id).await?.filter(|client| client.secret_hash.is_of(secret)))
    }

    /// The client of this id.
    pub async fn find(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let Ok(parsed) = ClientId::parse(id) else { return Ok(None) };
        let known = self.known.get(id);
        if let Some((client, since)) = &known
            && since.elapsed() < REMEMBERED
        {
            return Ok(Some(client.clone()));
        }
        match (self.store.run(move |connection| rows::find(connection, &parsed)).await, known) {
            (Ok(Some(client)), _) => {
                self.known.insert(id.to_owned(), (client.clone(), Instant::now()));
                Ok(Some(client))
            }
            (Ok(None), _) => {
                self.known.remove(id);
                Ok(None)
            }
            (Err(StoreError::Unavailable), Some((client, since)))
                if since.elapsed() < REMEMBERED_IN_AN_OUTAGE =>
            {
                Ok(Some(client))
            }
            (Err(why), _) => Err(why),
        }
    }
}
