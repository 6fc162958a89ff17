//! The HTTP server of a listener: actix-web's `HttpServer`, on connections with more limits.

use std::{sync::Arc, time::Duration};

use actix_http::{HttpService, error::DispatchError};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App, HttpResponse,
    dev::AppConfig,
    middleware::from_fn,
    rt::net::TcpStream,
    web::{self, Data, ServiceConfig},
};

use crate::{
    bound_listener::{BoundListener, cannot_listen},
    command::CommandError,
    connection::LimitedStream,
    cors::allow_browser_origins,
    occupancy::Occupancy,
    pause,
    request_log::{RequestObserver, observe_requests},
    route::not_found,
};

/// Time that a client gets to close its side of a connection that the service closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Settings of an HTTP server.
pub(crate) struct HttpServerSettings {
    /// Number of threads that serve requests.
    pub workers: usize,
    /// Maximum number of connections of each worker.
    pub connections_per_worker: usize,
    /// Time after which an idle connection is closed.
    pub keep_alive: Duration,
    /// Maximum time that requests in progress may take to finish at shutdown.
    pub shutdown_timeout: Duration,
}

/// Serves these routes on a listener while the returned server is polled.
///
/// # Errors
/// If the system refuses to listen.
pub(crate) fn serve(
    bound: BoundListener,
    settings: HttpServerSettings,
    observer: Data<RequestObserver>,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<Server, CommandError> {
    let BoundListener { listener, addr, setting } = bound;
    let HttpServerSettings { workers, connections_per_worker, keep_alive, shutdown_timeout } =
        settings;
    let builder = ServerBuilder::new()
        .workers(workers)
        .disable_signals()
        .max_concurrent_connections(connections_per_worker)
        .shutdown_timeout(shutdown_timeout.as_secs());
    let shutdown_signal = builder.graceful_shutdown_signal();
    let occupancy = Occupancy::new(workers * connections_per_worker);
    let service = move || {
        // On the thread of the worker.
        actix_web::rt::spawn(pause::beat());
        let app = App::new()
            .app_data(observer.clone())
            .wrap(from_fn(allow_browser_origins))
            .wrap(from_fn(observe_requests))
            // Routes may answer unknown paths in another way.
            .default_service(web::to(not_found))
            .configure(routes.clone())
            .into_factory()
            .map_err(HttpResponse::from_error);
        let shutdown_signal = shutdown_signal.clone();
        let http = HttpService::build()
            .keep_alive(keep_alive)
            .client_disconnect_timeout(CLOSE_TIMEOUT)
            // Closes idle connections at shutdown.
            .graceful_shutdown_signal(move || {
                let shutdown_signal = shutdown_signal.clone();
                async move { shutdown_signal.notified().await }
            })
            .local_addr(addr)
            .on_connect_ext(|stream: &LimitedStream, data| {
                data.insert(stream.requests());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let occupancy = Arc::clone(&occupancy);
        let limit = move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let stream = LimitedStream::new(stream, occupancy.enter());
            async move { Ok::<_, DispatchError>((stream, peer)) }
        };
        fn_service(limit).and_then(http)
    };
    let server = builder
        .listen(setting, listener, service)
        .map_err(|error| cannot_listen(addr, setting, &error))?;
    Ok(server.run())
}
