//! A connection for each thread.
//!
//! What answers is read by the thread that opened the connection, and to wake another for each answer costs more than Redis
//! takes for it. All must lead to one server, for what is known of that is not known of another: one that took over, and
//! lacks the newest. So a connection is taken only if its server's `run_id`, which changes at each restart, is the first's.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::RedisResult;

use super::server::{Connection, Server, run_id};

/// When another is tried to open, if one could not be. Until then the first one will do.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The connections of some threads. Of more threads, some share one.
pub struct PerThread(Box<[Arc<Slot>]>);

#[derive(Default)]
struct Slot {
    is_begun: AtomicBool,
    opened: OnceLock<Connection>,
}

impl PerThread {
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Arc::default()).collect())
    }

    /// That of this thread, if it is open.
    pub fn connection(&self) -> Option<Connection> {
        self.slot()?.opened.get().cloned()
    }

    /// Takes the first one for this thread's. A cluster's is for all threads: it is one to each of the servers.
    pub fn adopt(&self, first: &Connection) {
        if let (Some(slot), Connection::Server(_)) = (self.slot(), first) {
            slot.is_begun.store(true, Ordering::Relaxed);
            let _ = slot.opened.set(first.clone());
        }
    }

    /// All that are open.
    pub fn opened(&self) -> impl Iterator<Item = Connection> {
        self.0.iter().filter_map(|slot| slot.opened.get().cloned())
    }

    /// Begins to open one for this thread, to the server that the first one leads to, unless that was begun before.
    pub fn open(&self, server: &Server, timeout: Duration, first: &Connection) {
        let (Some(slot), Connection::Server(_)) = (self.slot(), first) else { return };
        if slot.is_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let (slot, server, first) = (Arc::clone(slot), server.clone(), first.clone());
        tokio::spawn(async move {
            match another(&server, timeout, first).await {
                Ok(Some(connection)) => drop(slot.opened.set(connection)),
                Ok(None) => {
                    log::debug!("another connection to Redis leads to another server, and is not used")
                }
                Err(why) => {
                    log::debug!("another connection to Redis cannot be opened: {}", why.category());
                    tokio::time::sleep(AGAIN_AFTER).await;
                    slot.is_begun.store(false, Ordering::Relaxed);
                }
            }
        });
    }

    fn slot(&self) -> Option<&Arc<Slot>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
        let number = NUMBER.with(|number| number.checked_rem(self.0.len()))?;
        self.0.get(number)
    }
}

/// Another connection to the server that the first one leads to, unless it leads to another server.
async fn another(server: &Server, timeout: Duration, first: Connection) -> RedisResult<Option<Connection>> {
    // First, so that nobody waits for a server that is gone: Sentinels are asked by one at a time.
    let wanted = run_id(first).await?;
    let another = server.connect(timeout, timeout).await?;
    Ok((run_id(another.clone()).await? == wanted).then_some(another))
}
