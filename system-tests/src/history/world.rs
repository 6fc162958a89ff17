//! What all clients and all faults of a history share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use test_support::Proxy;

use super::{plan::REPLICAS, record::Recorder};

/// The recorder, the load balancer and the users of a history.
pub struct World {
    pub recorder: Recorder,
    pub balancer: LoadBalancer,
    pub users: Vec<User>,
}

/// A registered user.
pub struct User {
    pub name: String,
    pub id: String,
}

/// Proxies to the replicas that currently run, as a load balancer keeps them.
#[derive(Default)]
pub struct LoadBalancer {
    proxies: [Mutex<Option<Arc<Proxy>>>; REPLICAS],
}

impl LoadBalancer {
    /// Returns this replica, or another one if this replica is removed, with its address.
    pub fn route(&self, replica: usize) -> (usize, SocketAddr) {
        let candidates = (0..REPLICAS).map(|offset| (replica + offset) % REPLICAS);
        let mut running = candidates.filter_map(|number| {
            let proxy = self.proxies[number].lock().unwrap_or_else(PoisonError::into_inner);
            proxy.as_ref().map(|proxy| (number, proxy.addr()))
        });
        running.next().expect("at least one replica")
    }

    /// Adds a replica at this address.
    pub fn add(&self, replica: usize, addr: SocketAddr) {
        let proxy = Arc::new(Proxy::to(addr.to_string()));
        *self.proxies[replica].lock().unwrap_or_else(PoisonError::into_inner) = Some(proxy);
    }

    /// Removes a replica, and closes the connections to it.
    pub fn remove(&self, replica: usize) {
        let proxy = self.proxies[replica].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(proxy) = proxy {
            proxy.cut();
        }
    }
}
