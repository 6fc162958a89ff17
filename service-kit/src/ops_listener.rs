//! Separate listener for operators: `/metrics`, `/healthz`, `/readyz`.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    dev::ServerHandle,
    web::{Data, ServiceConfig},
};

use crate::{
    bound_listener::BoundListener,
    command::CommandError,
    http_server::{self, HttpServerSettings},
    request_log::RequestObserver,
};

/// Maximum number of connections of operators: health probes, Prometheus, and people.
const MAX_CONNECTIONS: usize = 1000;

/// Separate listener for operators, bound and not served yet.
#[derive(Debug)]
pub struct OpsListener(BoundListener);

impl OpsListener {
    /// Binds the address of METRICS_ADDR, if one is set.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(addr: Option<SocketAddr>) -> Result<Option<Self>, CommandError> {
        addr.map(|addr| BoundListener::bind(addr, "METRICS_ADDR").map(Self)).transpose()
    }

    /// Returns the bound address.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Serves these routes on one thread until the returned handle stops them.
    ///
    /// # Errors
    /// If the system refuses to listen.
    pub fn serve(
        self,
        keep_alive: Duration,
        observer: Data<RequestObserver>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<ServerHandle, CommandError> {
        let settings = HttpServerSettings {
            workers: 1,
            connections_per_worker: MAX_CONNECTIONS,
            keep_alive,
            shutdown_timeout: Duration::ZERO,
        };
        let server = http_server::serve(self.0, settings, observer, routes)?;
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(handle)
    }
}
