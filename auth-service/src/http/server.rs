//! The server: starts the services and serves the routes.

use std::{io, net::SocketAddr, sync::Arc};

use actix_web::{
    dev::Server,
    web::{Data, ServiceConfig},
};
use service_kit::{
    CommandError,
    late_request::CarriedOutLate,
    server::{BoundServer, RunningServer},
    shutdown::ShutdownToken,
};
use shared::clock::Clock;

use crate::{
    app::App,
    config::Settings,
    http::{self, Served, pages::Pages},
};

/// Mounts the routes in an actix-web app.
pub fn configure(config: &mut ServiceConfig, app: Arc<App>, serves_ops_routes: bool) {
    let base_path = app.base_path.clone();
    let ends = &["/logout", "/logout/all", "/oauth/revoke", "/sign-out"];
    config.app_data(CarriedOutLate(ends));
    let served = Served { ops_routes: serves_ops_routes, admin_routes: app.admin_api };
    config.app_data(Data::new(app.verifier.clone())).app_data(Data::from(app));
    http::mount(config, &base_path, served);
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
    /// Serves until SIGTERM or Ctrl-C, then shuts down in order and completes pending writes, as
    /// far as the database takes them in time.
    ///
    /// # Errors
    /// If the server fails, or if the database can never be used as it is.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        let served = self.server.run_until_stopped(self.app.wait_until_ready());
        tokio::select! {
            served = served => served?,
            why = self.app.store.refusal() => return Err(io::Error::other(why.to_owned())),
        }
        let limit = self.app.shutdown.closing_time();
        tokio::join!(
            self.app.sessions.flush_within(limit),
            self.app.accounts.after_answer.finish_within(limit),
        );
        Ok(())
    }

    /// Returns the token that tells whether the shutdown has begun, and how much time is left.
    pub fn shutdown(&self) -> ShutdownToken {
        self.app.shutdown.clone()
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
    let pages = Data::new(Pages::load(&settings)?);
    let app = Arc::new(App::new(&settings, clock).await?);
    let serves_ops_routes = bound.serves_ops_routes();
    let cors = Data::new(settings.cors.clone());
    let main_app = Arc::clone(&app);
    let ops_app = Arc::clone(&app);
    let server = bound.serve(
        app.metrics.requests(),
        app.shutdown.clone(),
        move |config| {
            config.app_data(cors.clone()).app_data(pages.clone());
            configure(config, Arc::clone(&main_app), serves_ops_routes);
        },
        move |config| {
            config.app_data(Data::from(Arc::clone(&ops_app)));
            http::mount_ops(config);
        },
    )?;
    let issuer = settings.issuer();
    log::info!("issuer of tokens: {issuer}");
    if app.cookies.is_none() {
        log::warn!(
            "browsers cannot sign in: a cookie needs an ISSUER that begins with https://, or one \
             on this machine"
        );
    }
    Ok(Running { addr, issuer, app, server })
}
