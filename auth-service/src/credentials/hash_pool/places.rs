//! The places in the queue of the hash pool, shared fairly between client addresses.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::round_robin::RoundRobin;
use crate::domain::address::AddressPrefix;

/// A bounded number of places.
///
/// A client address may hold as many places as it leaves free: half of them at most, and the next
/// address half of the rest. So no client finds the queue full because of one other client. Clients
/// that wait for a place take turns.
pub struct Places {
    state: Mutex<State>,
}

struct State {
    free: usize,
    held: HashMap<AddressPrefix, usize>,
    waiting: RoundRobin<oneshot::Sender<Place>>,
}

/// A place in the queue, free again when this value is dropped.
pub struct Place {
    pub client: AddressPrefix,
    /// `None` once the place is free.
    places: Option<Arc<Places>>,
}

impl Places {
    pub fn new(count: usize) -> Self {
        let waiting = RoundRobin::default();
        Self { state: Mutex::new(State { free: count, held: HashMap::new(), waiting }) }
    }

    /// Waits for a place. The wait ends when the returned future is dropped.
    pub async fn acquire(self: &Arc<Self>, client: AddressPrefix) -> Place {
        let _cleanup = Cleanup { places: self, client };
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.lock();
            state.waiting.push(client, sender);
            self.grant(&mut state);
        }
        receiver.await.expect("waiting clients are kept until they get a place")
    }

    /// Gives free places to waiting clients.
    fn grant(self: &Arc<Self>, state: &mut State) {
        while state.free > 0 {
            let State { free, held, waiting } = state;
            let may_hold = |client| held.get(&client).copied().unwrap_or(0) < *free;
            let Some((client, sender)) = waiting.pop_if(may_hold) else { return };
            let place = Place { client, places: Some(Arc::clone(self)) };
            match sender.send(place) {
                Ok(()) => {
                    *free -= 1;
                    *held.entry(client).or_default() += 1;
                }
                // The client has gone. Its place must not free itself: the state is locked.
                Err(mut place) => drop(place.places.take()),
            }
        }
    }

    fn release(self: &Arc<Self>, client: AddressPrefix) {
        let mut state = self.lock();
        state.free += 1;
        if let Some(held) = state.held.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&client);
            }
        }
        self.grant(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = mem::take(&mut self.places) {
            places.release(self.client);
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("client", &self.client).finish_non_exhaustive()
    }
}

/// Removes the entries of clients that no longer wait. Without it, they would be kept until a place
/// becomes free.
struct Cleanup<'a> {
    places: &'a Places,
    client: AddressPrefix,
}

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        self.places.lock().waiting.drop_stale(self.client, oneshot::Sender::is_closed);
    }
}
