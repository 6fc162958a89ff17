//! Separate listener for operators: `/metrics`, `/healthz`, `/readyz`.

use std::net::SocketAddr;

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};

use crate::{
    bound_listener::{BoundListener, cannot_listen},
    command::CommandError,
    request_log::{RequestObserver, observe_requests},
    route::not_found,
};

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
        observer: Data<RequestObserver>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<ServerHandle, CommandError> {
        let BoundListener { listener, addr, setting } = self.0;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(observer.clone())
                .wrap(from_fn(observe_requests))
                .configure(routes.clone())
                .default_service(web::to(not_found))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .map_err(|error| cannot_listen(addr, setting, &error))?
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(handle)
    }
}
