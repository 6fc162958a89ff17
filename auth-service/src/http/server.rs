//! Start-up: the app and its routes, served.

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

/// Mounts the routes in an actix-web app: this service's, or yours.
pub fn configure(config: &mut ServiceConfig, app: Arc<App>, serves_metrics: bool) {
    config.app_data(Data::new(app.verifier.clone())).app_data(Data::from(app));
    http::mount(config, serves_metrics);
}

/// A server that listens.
pub struct Running {
    /// Address of the main listener.
    pub addr: SocketAddr,
    /// Issuer that tokens name.
    pub issuer: String,
    /// What the handlers share.
    pub app: Arc<App>,
    server: RunningServer,
}

impl Running {
    /// Serves until SIGTERM or Ctrl-C, then shuts down in order and writes what is written behind.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        self.server.run_until_stopped(self.app.until_ready()).await?;
        self.app.sessions.flush().await;
        Ok(())
    }

    /// Returns the server alone, which serves while it is polled and ignores signals. For tests.
    pub fn into_server(self) -> Server {
        self.server.into_server()
    }
}

/// Starts to serve as the settings say.
///
/// # Errors
/// One line that names the setting, the data folder or the address that is wrong.
pub async fn start(mut settings: Settings, clock: Clock) -> Result<Running, CommandError> {
    // The addresses first: a second start finds them taken before it touches anything.
    let bound = BoundServer::bind(settings.server())?;
    let addr = bound.addr();
    // From here on the settings name the port that the system chose.
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
