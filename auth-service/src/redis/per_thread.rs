//! One connection for each thread.
//!
//! The thread that opened a connection reads its answers. To wake another thread for each answer
//! costs more than Redis needs to answer. All connections must lead to one server, because a
//! server that took over may lack the newest writes. So a connection is used only if its server's
//! `run_id` is that of the first connection's server.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::RedisResult;

use super::{
    connection::{Connection, run_id},
    server::Server,
};

/// Time between attempts to open a thread's connection. Until then the thread uses the first one.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The connections of several threads. If more threads call, some of them share a connection.
pub struct PerThread(Box<[Arc<Slot>]>);

/// The connection of one thread.
#[derive(Default)]
struct Slot {
    /// Whether an attempt to open the connection has begun.
    is_begun: AtomicBool,
    connection: OnceLock<Connection>,
}

impl PerThread {
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Arc::default()).collect())
    }

    /// Returns this thread's connection. `None` until it is open.
    pub fn connection(&self) -> Option<Connection> {
        self.slot()?.connection.get().cloned()
    }

    /// Makes the first connection this thread's.
    pub fn adopt(&self, first: &Connection) {
        if let Some(slot) = self.slot_beside(first) {
            slot.is_begun.store(true, Ordering::Relaxed);
            let _ = slot.connection.set(first.clone());
        }
    }

    /// Returns all open connections.
    pub fn open_connections(&self) -> impl Iterator<Item = Connection> {
        self.0.iter().filter_map(|slot| slot.connection.get().cloned())
    }

    /// Begins to open this thread's connection, to the server of the first connection, unless an
    /// attempt has begun before.
    pub fn open(&self, server: &Server, timeout: Duration, first: &Connection) {
        let Some(slot) = self.slot_beside(first) else { return };
        if slot.is_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let slot = Arc::clone(slot);
        let server = server.clone();
        let first = first.clone();
        tokio::spawn(async move {
            match connect_to_same_server(&server, timeout, first).await {
                Ok(Some(connection)) => drop(slot.connection.set(connection)),
                Ok(None) => {
                    log::debug!("a new connection to Redis leads to another server: unused")
                }
                Err(error) => {
                    log::debug!("cannot open another connection to Redis: {}", error.category());
                    tokio::time::sleep(RETRY_AFTER).await;
                    slot.is_begun.store(false, Ordering::Relaxed);
                }
            }
        });
    }

    /// Returns this thread's slot. `None` if the first connection is one to a cluster: all threads
    /// share that connection, which consists of one to each server.
    fn slot_beside(&self, first: &Connection) -> Option<&Arc<Slot>> {
        match first {
            Connection::Server(_) => self.slot(),
            Connection::Cluster(_) => None,
        }
    }

    fn slot(&self) -> Option<&Arc<Slot>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
        let index = NUMBER.with(|number| number.checked_rem(self.0.len()))?;
        self.0.get(index)
    }
}

/// Opens a connection. `None` if it leads to another server than the first connection.
async fn connect_to_same_server(
    server: &Server,
    timeout: Duration,
    first: Connection,
) -> RedisResult<Option<Connection>> {
    // Asked before the connection is opened: if the server is gone, this fails without holding the
    // Sentinels, of which one caller at a time can ask for the master.
    let expected = run_id(first).await?;
    let connection = server.connect(timeout, timeout).await?;
    let is_same = run_id(connection.clone()).await? == expected;
    Ok(is_same.then_some(connection))
}
