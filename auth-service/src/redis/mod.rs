//! Connections to Redis that all requests share, be it one server, the master that a Sentinel names, or a cluster. They are
//! opened anew when one breaks, and given up when one hangs: a server that goes without a word, as one does that fails over,
//! leaves the system waiting for a quarter of an hour.

mod per_thread;
mod server;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, try_join_all},
};
use redis::{ErrorKind, RedisError, RedisResult};
use tokio::time::{error::Elapsed, timeout};

use crate::health::UnavailableReason;

use self::per_thread::PerThread;
pub use self::server::{Certificates, ClientCertificate, Connection, NO_CERTIFICATES, Server};

/// The least time between two connections, when one hangs.
const RENEWAL: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug)]
pub enum RedisFailure {
    Timeout,
    Error(RedisError),
}

/// No code of Redis is longer.
const MAX_CODE_CHARS: usize = 32;

/// Why Redis failed with this error, in words for an operator, where nobody waits longer than `limit`.
pub fn reason(error: &RedisError, limit: Duration) -> UnavailableReason {
    match error.code() {
        Some(code) => UnavailableReason::RedisError(
            code.chars().filter(char::is_ascii_alphanumeric).take(MAX_CODE_CHARS).collect(),
        ),
        None if error.kind() == ErrorKind::AuthenticationFailed => {
            UnavailableReason::Text("Redis refuses the credentials")
        }
        None if error.is_connection_refusal() => UnavailableReason::Text("connection refused"),
        None if error.is_timeout() => UnavailableReason::Timeout(limit),
        None if error.is_connection_dropped() => UnavailableReason::Text("the connection was lost"),
        None if error.to_string().contains("lookup") => UnavailableReason::Text("its host is not known"),
        None => UnavailableReason::Text("its connection failed: the log says how"),
    }
}

/// Connections to one server, and how to open others.
pub struct RedisLink {
    server: Server,
    timeout: Duration,
    threads: usize,
    current: ArcSwap<Connections>,
}

/// Connections that lead to the same server, and are given up together.
struct Connections {
    /// How many were given up before.
    number: u64,
    /// The first, or the attempt to open it.
    first: Shared<BoxFuture<'static, RedisResult<Connection>>>,
    per_thread: Arc<PerThread>,
    began: Instant,
}

impl RedisLink {
    /// A link to this server, for whose answers nobody waits longer than `timeout`. It need not be reached yet.
    pub fn new(server: Server, timeout: Duration) -> Self {
        Self::of_threads(server, timeout, 0)
    }

    /// The same, with a connection for each of so many threads.
    pub fn of_threads(server: Server, timeout: Duration, threads: usize) -> Self {
        let current = ArcSwap::from_pointee(Connections::new(0, &server, timeout, threads));
        Self { server, timeout, threads, current }
    }

    /// How often the connections were given up. While it is the same, the same server answers, unless it is a cluster,
    /// which names another by itself.
    pub fn number(&self) -> u64 {
        self.current.load().number
    }

    /// Does something with a connection.
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T, RedisFailure> {
        self.ask_current(&self.current.load_full(), question).await
    }

    /// Does something with a connection of that number, and nothing if those were given up.
    pub async fn ask_over<T>(
        &self,
        number: u64,
        question: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Option<Result<T, RedisFailure>> {
        let current = self.current.load_full();
        if current.number != number {
            return None;
        }
        Some(self.ask_current(&current, question).await)
    }

    /// Asks over every connection whether it still leads anywhere, and gives them up if one does not: of one that is idle
    /// nobody else would notice.
    pub async fn ping(&self) {
        let current = self.current.load_full();
        let pings = try_join_all(current.per_thread.opened().map(server::ping));
        let _ = self.answer(&current, timeout(self.timeout, pings).await);
    }

    async fn ask_current<T>(
        &self,
        current: &Arc<Connections>,
        question: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T, RedisFailure> {
        let connection = current.connection(&self.server, self.timeout);
        let asked = timeout(self.timeout, async { question(connection.await?).await });
        self.answer(current, asked.await)
    }

    /// What was answered, after which the connections are given up if they are of no use any more.
    fn answer<T>(
        &self,
        current: &Arc<Connections>,
        answer: Result<RedisResult<T>, Elapsed>,
    ) -> Result<T, RedisFailure> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) if why.is_timeout() => Err(self.hangs(current)),
            Ok(Err(why)) => {
                if is_lost(&why) || current.is_closed() {
                    self.replace(current);
                }
                Err(RedisFailure::Error(why))
            }
            Err(_) => Err(self.hangs(current)),
        }
    }

    /// Leaves connections of which one does not answer to themselves, unless they have only just begun, or are being opened.
    fn hangs(&self, stuck: &Arc<Connections>) -> RedisFailure {
        if stuck.began.elapsed() >= RENEWAL && stuck.first.peek().is_some() {
            self.replace(stuck);
        }
        RedisFailure::Timeout
    }

    fn replace(&self, lost: &Arc<Connections>) {
        let others = Connections::new(lost.number + 1, &self.server, self.timeout, self.threads);
        self.current.compare_and_swap(lost, Arc::new(others));
    }
}

impl Connections {
    /// Nothing is opened before somebody asks. Then it is opened to the end, even if nobody waits for so long: there may be
    /// servers to try that do not answer.
    fn new(number: u64, server: &Server, timeout: Duration, threads: usize) -> Self {
        let per_thread = Arc::new(PerThread::new(threads));
        let (server, adopting) = (server.clone(), Arc::clone(&per_thread));
        let opening = async move {
            let opened =
                async move { server.connect(timeout, timeout).await.inspect(|first| adopting.adopt(first)) };
            let opened = tokio::spawn(opened).await;
            opened.unwrap_or_else(|_| Err((ErrorKind::Client, "the attempt to connect was given up").into()))
        };
        Self { number, first: opening.boxed().shared(), per_thread, began: Instant::now() }
    }

    /// That of this thread, or the first until there is one.
    async fn connection(&self, server: &Server, timeout: Duration) -> RedisResult<Connection> {
        match self.per_thread.connection() {
            Some(own) => Ok(own),
            None => {
                let first = self.first.clone().await?;
                self.per_thread.open(server, timeout, &first);
                Ok(first)
            }
        }
    }

    /// Whether it could not be opened.
    fn is_closed(&self) -> bool {
        matches!(self.first.peek(), Some(Err(_)))
    }
}

/// Whether another connection may do better: this one is closed, or leads to a server that is no master any more.
fn is_lost(why: &RedisError) -> bool {
    let is_demoted = matches!(why.code(), Some("READONLY" | "MASTERDOWN"));
    why.is_io_error() || why.is_unrecoverable_error() || is_demoted
}
