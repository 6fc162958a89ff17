//! Separate listener for operators: `/metrics`, `/healthz`, `/readyz`.

use std::net::{SocketAddr, TcpListener};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};

use crate::{
    CommandError,
    request_log::{RequestObserver, observe_requests},
    route::not_found,
    server::{bind, cannot_listen},
};

/// The setting that names the address.
const SETTING: &str = "METRICS_ADDR";

/// Separate listener for operators, bound and not served yet.
#[derive(Debug)]
pub struct OpsListener {
    listener: TcpListener,
    addr: SocketAddr,
}

impl OpsListener {
    /// Binds the address, if one is set.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(addr: Option<SocketAddr>) -> Result<Option<Self>, CommandError> {
        let Some(addr) = addr else { return Ok(None) };
        let (listener, addr) = bind(addr, SETTING)?;
        Ok(Some(Self { listener, addr }))
    }

    /// Returns the bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves these routes on one thread until the returned handle stops them.
    ///
    /// # Errors
    /// Those of the server.
    pub fn serve(
        self,
        observer: Data<RequestObserver>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<ServerHandle, CommandError> {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(observer.clone())
                .wrap(from_fn(observe_requests))
                .configure(routes.clone())
                .default_service(web::to(not_found))
        })
        .workers(1)
        .disable_signals()
        .listen(self.listener)
        .map_err(|why| cannot_listen(self.addr, SETTING, &why))?
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(handle)
    }
}
