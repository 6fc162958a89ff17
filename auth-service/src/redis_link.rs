//! A connection to Redis that all requests share. It mends itself when it breaks, and is given up when it hangs: a server
//! that goes without a word, as one does that fails over, leaves the system waiting for a quarter of an hour.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use redis::{
    Client, ErrorKind, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::{config::SecretUrl, health::Reason};

/// The least time between two connections.
const RENEWAL: Duration = Duration::from_secs(2);

/// No code of Redis is longer.
const MAX_CODE_CHARS: usize = 32;

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    InTime,
    Because(RedisError),
}

/// Why Redis failed with this error, in words for an operator, where nobody waits longer than `limit`.
pub fn reason(error: &RedisError, limit: Duration) -> Reason {
    match error.code() {
        Some(code) => {
            Reason::Redis(code.chars().filter(char::is_ascii_alphanumeric).take(MAX_CODE_CHARS).collect())
        }
        None if error.kind() == ErrorKind::AuthenticationFailed => {
            Reason::Words("Redis refuses the credentials")
        }
        None if error.is_connection_refusal() => Reason::Words("connection refused"),
        None if error.is_timeout() => Reason::NoAnswer(limit),
        None if error.is_connection_dropped() => Reason::Words("the connection was lost"),
        None if error.to_string().contains("lookup") => Reason::Words("its host is not known"),
        None => Reason::Words("its connection failed: the log says how"),
    }
}

/// A connection, and how to open another.
pub struct Link {
    client: Client,
    timeout: Duration,
    current: ArcSwap<Current>,
}

struct Current {
    connection: ConnectionManager,
    began: Instant,
}

impl Link {
    /// A link to Redis at this URL, that nobody waits for longer than `timeout`. It need not be reached yet.
    pub fn new(url: &SecretUrl, timeout: Duration) -> RedisResult<Self> {
        let client = Client::open(url.0.as_str())?;
        let current = ArcSwap::from_pointee(connect(&client, timeout)?);
        Ok(Self { client, timeout, current })
    }

    /// Does something with the connection.
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(ConnectionManager) -> RedisResult<T>,
    ) -> Result<T, NoAnswer> {
        let current = self.current.load_full();
        match tokio::time::timeout(self.timeout, question(current.connection.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) if !why.is_timeout() => Err(NoAnswer::Because(why)),
            Ok(Err(_)) | Err(_) => {
                self.give_up(&current);
                Err(NoAnswer::InTime)
            }
        }
    }

    /// Leaves a connection that does not answer to itself, and opens another.
    fn give_up(&self, stuck: &Arc<Current>) {
        if stuck.began.elapsed() >= RENEWAL
            && Arc::ptr_eq(&self.current.load(), stuck)
            && let Ok(another) = connect(&self.client, self.timeout)
        {
            self.current.store(Arc::new(another));
        }
    }
}

fn connect(client: &Client, timeout: Duration) -> RedisResult<Current> {
    let config = ConnectionManagerConfig::new()
        // Whoever waits decides whether to try again.
        .set_number_of_retries(0)
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
    Ok(Current { connection, began: Instant::now() })
}
