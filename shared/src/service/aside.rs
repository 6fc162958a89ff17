//! An address aside of the main one, for those who run a service and for nobody else: `/metrics`, and whether it is well.

use std::net::{SocketAddr, TcpListener};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};

use super::{
    StartError, bind, not_found,
    requests::{Observer, observe},
};

/// The setting that names the address.
const SETTING: &str = "METRICS_ADDR";

/// The address, taken and not served yet.
#[derive(Debug)]
pub struct Aside {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Aside {
    /// Takes the address, if there is one.
    ///
    /// # Errors
    /// If it cannot be taken: one line that says so.
    pub fn bind(addr: Option<SocketAddr>) -> Result<Option<Self>, StartError> {
        let Some(addr) = addr else { return Ok(None) };
        let (listener, addr) = bind(addr, SETTING)?;
        Ok(Some(Self { listener, addr }))
    }

    /// Serves these routes there, on one thread, until it is stopped.
    ///
    /// # Errors
    /// Those of the server.
    pub fn serve(
        self,
        observer: Data<Observer>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<ServerHandle, StartError> {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(observer.clone())
                .wrap(from_fn(observe))
                .configure(routes.clone())
                .default_service(web::to(not_found))
        })
        .workers(1)
        .disable_signals()
        .listen(self.listener)
        .map_err(|why| super::cannot_listen(self.addr, SETTING, &why))?
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(handle)
    }
}

/// The line of the log that says where a service listens.
pub fn log_start(service: &str, addr: SocketAddr, aside: Option<&Aside>) {
    match aside {
        None => log::info!("{service} listens on http://{addr}"),
        Some(Aside { addr: metrics, .. }) => {
            log::info!("{service} listens on http://{addr} and, for metrics alone, on http://{metrics}");
        }
    }
}
