//! The state that all workers share, and the operations that several routes need.

use std::sync::Arc;

use actix_web::{
    Error,
    error::{ErrorInternalServerError, ErrorServiceUnavailable, ErrorUnauthorized},
};
use aws_lc_rs::digest::{SHA256, digest};
use bcrypt::BcryptError;
use quick_cache::sync::Cache;
use redis::{Script, aio::MultiplexedConnection, cmd};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    Settings,
    store::Store,
    tokens::{AccessClaims, Keys, now},
};

pub const ENDED: &str = "revoked";

pub struct State {
    pub keys: Keys,
    pub store: Store,
    pub bcrypt_cost: u32,
    pub client_secret_hash: Vec<u8>,
    pub rotate: Script,
    verified_tokens: Cache<String, Arc<AccessClaims>>,
    /// One permit for each core: with more hashes at once, each hash only takes longer.
    hash_permits: Semaphore,
}

impl State {
    pub fn new(settings: &Settings) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            keys: Keys::generate(),
            store: Store::open(&settings.database_url)?,
            bcrypt_cost: settings.bcrypt_cost,
            client_secret_hash: sha256(&settings.client_secret),
            rotate: Script::new(include_str!("rotate.lua")),
            verified_tokens: Cache::new(100_000),
            hash_permits: Semaphore::new(settings.hash_threads),
        })
    }

    /// Computes a bcrypt hash on the thread pool for blocking work.
    pub async fn run_hash<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, BcryptError> + Send + 'static,
    ) -> Result<T, Error> {
        let _permit = self.hash_permits.acquire().await.map_err(ErrorServiceUnavailable)?;
        actix_web::web::block(job).await?.map_err(ErrorInternalServerError)
    }

    /// Returns the claims of an access token, from the cache if the token was verified before.
    pub fn verify(&self, token: &str) -> Result<Arc<AccessClaims>, Error> {
        if let Some(claims) = self.verified_tokens.get(token)
            && claims.exp > now()
        {
            return Ok(claims);
        }
        let claims = self.keys.verify_access(token);
        let claims = Arc::new(claims.ok_or_else(|| ErrorUnauthorized("invalid token"))?);
        self.verified_tokens.insert(token.to_owned(), Arc::clone(&claims));
        Ok(claims)
    }

    /// Returns the claims of an access token whose session has not ended.
    pub async fn verify_with_session(
        &self,
        token: &str,
        redis: &MultiplexedConnection,
    ) -> Result<Arc<AccessClaims>, Error> {
        let claims = self.verify(token)?;
        self.refuse_ended(claims.sid, redis).await?;
        Ok(claims)
    }

    /// Refuses a session that has ended.
    pub async fn refuse_ended(
        &self,
        sid: Uuid,
        redis: &MultiplexedConnection,
    ) -> Result<(), Error> {
        let mut get = cmd("GET");
        get.arg(session_key(sid));
        let mut redis = redis.clone();
        let entry: Result<Option<String>, _> = get.query_async(&mut redis).await;
        match entry.map_err(ErrorServiceUnavailable)?.as_deref() {
            Some(ENDED) => Err(ErrorUnauthorized("session ended")),
            _ => Ok(()),
        }
    }
}

/// Returns the Redis key of a session's entry.
pub fn session_key(sid: Uuid) -> String {
    format!("limit:{sid}")
}

pub fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}
