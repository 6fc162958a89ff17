//! A connection to Redis that all requests share, be it one server, the master that a Sentinel names, or a cluster. It is
//! opened anew when it breaks, and given up when it hangs: a server that goes without a word, as one does that fails over,
//! leaves the system waiting for a quarter of an hour.

mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{ErrorKind, RedisError, RedisResult};

use crate::health::Reason;

pub use self::server::{Certificates, ClientCertificate, Connection, NO_CERTIFICATES, Server};

/// The least time between two connections, when one hangs.
const RENEWAL: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    InTime,
    Because(RedisError),
}

/// No code of Redis is longer.
const MAX_CODE_CHARS: usize = 32;

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
    server: Server,
    timeout: Duration,
    current: ArcSwap<Current>,
}

/// A connection, or the attempt to open one.
struct Current {
    connection: Shared<BoxFuture<'static, RedisResult<Connection>>>,
    began: Instant,
}

impl Link {
    /// A link to this server, for whose answers nobody waits longer than `timeout`. It need not be reached yet.
    pub fn new(server: Server, timeout: Duration) -> Self {
        let current = ArcSwap::from_pointee(Current::new(&server, timeout));
        Self { server, timeout, current }
    }

    /// Does something with the connection.
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T, NoAnswer> {
        let current = self.current.load_full();
        let asked = async { question(current.connection.clone().await?).await };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) if why.is_timeout() => Err(self.hangs(&current)),
            Ok(Err(why)) => {
                if is_lost(&why) || current.is_closed() {
                    self.replace(&current);
                }
                Err(NoAnswer::Because(why))
            }
            Err(_) => Err(self.hangs(&current)),
        }
    }

    /// Leaves a connection that does not answer to itself, unless it has only just begun, or is being opened.
    fn hangs(&self, stuck: &Arc<Current>) -> NoAnswer {
        if stuck.began.elapsed() >= RENEWAL && stuck.connection.peek().is_some() {
            self.replace(stuck);
        }
        NoAnswer::InTime
    }

    fn replace(&self, lost: &Arc<Current>) {
        let another = Arc::new(Current::new(&self.server, self.timeout));
        self.current.compare_and_swap(lost, another);
    }
}

impl Current {
    /// Nothing is opened before somebody asks. Then it is opened to the end, even if nobody waits for so long: there may be
    /// servers to try that do not answer.
    fn new(server: &Server, timeout: Duration) -> Self {
        let server = server.clone();
        let opening = async move {
            let opened = tokio::spawn(async move { server.connect(timeout, timeout).await }).await;
            opened.unwrap_or_else(|_| Err((ErrorKind::Client, "the attempt to connect was given up").into()))
        };
        Self { connection: opening.boxed().shared(), began: Instant::now() }
    }

    /// Whether it could not be opened.
    fn is_closed(&self) -> bool {
        matches!(self.connection.peek(), Some(Err(_)))
    }
}

/// Whether another connection may do better: this one is closed, or leads to a server that is no master any more.
fn is_lost(why: &RedisError) -> bool {
    let is_demoted = matches!(why.code(), Some("READONLY" | "MASTERDOWN"));
    why.is_io_error() || why.is_unrecoverable_error() || is_demoted
}
