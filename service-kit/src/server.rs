//! Start-up that both services share: bind the listeners first, then serve, then shut down in
//! order.

use std::{io, net::SocketAddr};

use actix_web::{
    dev::Server,
    web::{Data, ServiceConfig},
};

use crate::{
    accept_gate::AcceptGate,
    bound_listener::{BoundListener, cannot_listen},
    command::CommandError,
    connection_limits::{ConnectionLimits, cores},
    http_server::{self, HttpServerSettings},
    metrics::RequestMetrics,
    open_files,
    ops_listener::OpsListener,
    request_log::RequestObserver,
    shutdown::{self, ShutdownSettings, ShutdownToken, Stoppable},
};

/// What a service sets about its listeners.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// The service's name in the log.
    pub service: &'static str,
    /// Address of the main listener.
    pub addr: SocketAddr,
    /// The setting that names that address.
    pub addr_setting: &'static str,
    /// Address of the ops listener. `None`: the main listener serves `/metrics` and `/readyz`.
    pub metrics_addr: Option<SocketAddr>,
    /// Number of threads that serve requests. `None`: one for each core.
    pub workers: Option<u16>,
    /// Limits for clients.
    pub limits: ConnectionLimits,
    /// How the service shuts down.
    pub shutdown: ShutdownSettings,
}

/// Bound listeners, not served yet.
///
/// A service binds its listeners before it opens or creates anything else. A second start with
/// the same addresses fails at this point and changes nothing.
#[derive(Debug)]
pub struct BoundServer {
    settings: ServerSettings,
    listener: BoundListener,
    ops_listener: Option<OpsListener>,
}

impl BoundServer {
    /// Raises the limit of open files, and binds the listeners.
    ///
    /// # Errors
    /// If an address cannot be bound; the error names its setting.
    pub fn bind(mut settings: ServerSettings) -> Result<Self, CommandError> {
        if let Some(limit) = open_files::raise_limit() {
            if let Some(shortage) = open_files::shortage(limit, settings.limits) {
                log::warn!("{shortage}");
            }
            open_files::fit(limit, &mut settings.limits);
        }
        let listener = BoundListener::bind(settings.addr, settings.addr_setting)?;
        let ops_listener = OpsListener::bind(settings.metrics_addr)?;
        Ok(Self { settings, listener, ops_listener })
    }

    /// Returns the bound address, in which port 0 is replaced by the port that the system chose.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr
    }

    /// Returns whether `/metrics` and `/readyz` belong to the main listener.
    pub fn serves_ops_routes(&self) -> bool {
        self.ops_listener.is_none()
    }

    /// Serves `routes` on the main listener and `ops_routes` on the ops listener, if there is one.
    ///
    /// # Errors
    /// If the system refuses to listen.
    pub fn serve(
        self,
        metrics: RequestMetrics,
        token: ShutdownToken,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
        ops_routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<RunningServer, CommandError> {
        self.log_start();
        let Self { settings, listener, ops_listener } = self;
        let observer = Data::new(RequestObserver::new(metrics, token.clone()));
        let ops_server = ops_listener
            .map(|ops_listener| {
                ops_listener.serve(settings.limits.keep_alive, observer.clone(), ops_routes)
            })
            .transpose()?;
        let accept_gate = AcceptGate::new(&listener.listener)
            .map_err(|error| cannot_listen(listener.addr, listener.setting, &error))?;
        let workers = settings.workers.map_or_else(cores, usize::from);
        let http_settings = HttpServerSettings {
            workers,
            connections_per_worker: settings.limits.connections_per_worker(workers),
            keep_alive: settings.limits.keep_alive,
            shutdown_timeout: settings.shutdown.shutdown_timeout,
        };
        let server = http_server::serve(listener, http_settings, observer, routes)?;
        let settings = settings.shutdown;
        Ok(RunningServer(Stoppable { server, accept_gate, ops_server, token, settings }))
    }

    fn log_start(&self) {
        let service = self.settings.service;
        let addr = self.addr();
        match self.ops_listener.as_ref().map(OpsListener::addr) {
            None => log::info!("{service} listens on http://{addr}"),
            Some(ops) => {
                log::info!(
                    "{service} listens on http://{addr} and, for operators, on http://{ops}"
                );
            }
        }
    }
}

/// A server that listens.
pub struct RunningServer(Stoppable);

impl RunningServer {
    /// Serves until SIGTERM or Ctrl-C, then shuts down in order. Connections are accepted once
    /// `ready` completes.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until_stopped(self, ready: impl Future<Output = ()>) -> io::Result<()> {
        shutdown::run_until_stopped(self.0, ready).await
    }

    /// Returns the server alone, which serves while it is polled and ignores signals. For tests.
    pub fn into_server(self) -> Server {
        self.0.server
    }
}
