//! Shared connections, which are replaced when one breaks or hangs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, try_join_all},
};
use redis::{ErrorKind, RedisResult};
use tokio::time::{error::Elapsed, timeout};

use super::{
    connection::{Connection, ping},
    failure::{RedisFailure, needs_new_connection},
    per_thread::PerThread,
    server::Server,
};

/// Minimum age of connections that are replaced because one of them hangs.
const MIN_AGE: Duration = Duration::from_secs(2);

/// Connections to one Redis, and what is needed to open new ones.
pub struct RedisLink {
    server: Server,
    timeout: Duration,
    threads: usize,
    current: ArcSwap<Connections>,
}

impl RedisLink {
    /// Returns a link with one connection for all threads.
    ///
    /// No call takes longer than `timeout`. Redis need not be reachable yet.
    pub fn new(server: Server, timeout: Duration) -> Self {
        Self::with_connection_per_thread(server, timeout, 0)
    }

    /// Returns a link with one connection for each of `threads` threads.
    pub fn with_connection_per_thread(server: Server, timeout: Duration, threads: usize) -> Self {
        let current = ArcSwap::from_pointee(Connections::new(0, &server, timeout, threads));
        Self { server, timeout, threads, current }
    }

    /// Returns the connection epoch: the number of times the connections were replaced.
    ///
    /// The same server answers during one epoch. A cluster may replace its servers at any time.
    pub fn epoch(&self) -> u64 {
        self.current.load().epoch
    }

    /// Calls Redis over a current connection.
    pub async fn call<T>(
        &self,
        operation: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T, RedisFailure> {
        self.call_over(&self.current.load_full(), operation).await
    }

    /// Calls Redis over a connection of `epoch`. `None` if the connections were replaced since:
    /// nothing was sent then.
    pub async fn call_at_epoch<T>(
        &self,
        epoch: u64,
        operation: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Option<Result<T, RedisFailure>> {
        let current = self.current.load_full();
        if current.epoch != epoch {
            return None;
        }
        Some(self.call_over(&current, operation).await)
    }

    /// Checks every connection, and replaces all of them if one does not work. Without this call,
    /// a broken idle connection would stay undetected.
    pub async fn ping(&self) {
        let current = self.current.load_full();
        let pings = try_join_all(current.per_thread.open_connections().map(ping));
        let _ = self.checked(&current, timeout(self.timeout, pings).await);
    }

    async fn call_over<T>(
        &self,
        connections: &Arc<Connections>,
        operation: impl AsyncFnOnce(Connection) -> RedisResult<T>,
    ) -> Result<T, RedisFailure> {
        let connection = connections.for_this_thread(&self.server, self.timeout);
        let answer = timeout(self.timeout, async { operation(connection.await?).await });
        self.checked(connections, answer.await)
    }

    /// Returns the answer. Replaces the connections if the answer shows that one no longer works.
    fn checked<T>(
        &self,
        connections: &Arc<Connections>,
        answer: Result<RedisResult<T>, Elapsed>,
    ) -> Result<T, RedisFailure> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_timeout() => Err(self.timed_out(connections)),
            Ok(Err(error)) => {
                if needs_new_connection(&error) || connections.could_not_open() {
                    self.replace(connections);
                }
                Err(RedisFailure::Error(error))
            }
            Err(_) => Err(self.timed_out(connections)),
        }
    }

    /// Replaces connections of which one hangs, unless they are new or not open yet.
    fn timed_out(&self, connections: &Arc<Connections>) -> RedisFailure {
        if connections.created.elapsed() >= MIN_AGE && connections.first.peek().is_some() {
            self.replace(connections);
        }
        RedisFailure::Timeout
    }

    fn replace(&self, old: &Arc<Connections>) {
        let new = Connections::new(old.epoch + 1, &self.server, self.timeout, self.threads);
        self.current.compare_and_swap(old, Arc::new(new));
    }
}

/// Connections to the same server. They are replaced together.
struct Connections {
    epoch: u64,
    /// The first connection, or the attempt to open it.
    first: Shared<BoxFuture<'static, RedisResult<Connection>>>,
    per_thread: Arc<PerThread>,
    created: Instant,
}

impl Connections {
    /// Returns connections that the first call opens.
    fn new(epoch: u64, server: &Server, timeout: Duration, threads: usize) -> Self {
        let per_thread = Arc::new(PerThread::new(threads));
        let server = server.clone();
        let adopter = Arc::clone(&per_thread);
        let open = async move {
            let first = server.connect(timeout, timeout).await?;
            adopter.adopt(&first);
            Ok(first)
        };
        let first = async {
            // A task, because the attempt may take longer than a caller waits: servers that do not
            // answer may have to be tried first.
            let aborted = |_| Err((ErrorKind::Client, "the attempt to connect was aborted").into());
            tokio::spawn(open).await.unwrap_or_else(aborted)
        };
        Self { epoch, first: first.boxed().shared(), per_thread, created: Instant::now() }
    }

    /// Returns this thread's connection, or the first connection until this thread's is open.
    async fn for_this_thread(&self, server: &Server, timeout: Duration) -> RedisResult<Connection> {
        match self.per_thread.connection() {
            Some(connection) => Ok(connection),
            None => {
                let first = self.first.clone().await?;
                self.per_thread.open(server, timeout, &first);
                Ok(first)
            }
        }
    }

    fn could_not_open(&self) -> bool {
        matches!(self.first.peek(), Some(Err(_)))
    }
}
