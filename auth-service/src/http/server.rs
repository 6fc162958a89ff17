//! The server: starts the services and serves the routes.

use std::{io, net::SocketAddr, sync::Arc};

use actix_web::{
    dev::Server,
    web::{Data, ServiceConfig},
};
use service_kit::{
    CommandError,
    server::{BoundServer, RunningServer},
};
use shared::clock::Clock;

use crate::{app::App, config::Settings, http};

/// Mounts the routes in an actix-web app.
pub fn configure(config: &mut ServiceConfig, app: Arc<App>, serves_metrics: bool) {
    config.app_data(Data::new(app.verifier.clone())).app_data(Data::from(app));
    http::mount(config, serves_metrics);
}

/// A server that has started.
pub struct Running {
    /// Address of the main listener.
    pub addr: SocketAddr,
    /// Issuer that tokens name.
    pub issuer: String,
    /// The services that all handlers share.
    pub app: Arc<App>,
    server: RunningServer,
}

impl Running {
    /// Serves until SIGTERM or Ctrl-C, then shuts down in order and completes pending writes.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        self.server.run_until_stopped(self.app.wait_until_ready()).await?;
        self.app.sessions.flush().await;
        Ok(())
    }

    /// Returns the server without its handling of signals, for tests. It serves while it is polled.
    pub fn into_server(self) -> Server {
        self.server.into_server()
    }
}

/// Starts a server with these settings.
///
/// # Errors
/// One line that names the setting, the data folder or the address that cannot be used.
pub async fn start(mut settings: Settings, clock: Clock) -> Result<Running, CommandError> {
    // The addresses are bound first, so that a second process fails before it writes anything.
    let bound = BoundServer::bind(settings.server())?;
    let addr = bound.addr();
    // Port 0 means a port that the system chooses. From here on the settings have that port.
    settings.auth_addr = addr;
    let app = Arc::new(App::new(&settings, clock).await?);
    let serves_metrics = bound.serves_metrics();
    let main_app = Arc::clone(&app);
    let ops_app = Arc::clone(&app);
    let server = bound.serve(
        app.metrics.requests(),
        app.shutdown.clone(),
        move |config| configure(config, Arc::clone(&main_app), serves_metrics),
        move |config| {
            config.app_data(Data::from(Arc::clone(&ops_app)));
            http::mount_ops(config);
        },
    )?;
    let issuer = settings.issuer();
    log::info!("issuer of tokens: {issuer}");
    Ok(Running { addr, issuer, app, server })
}
