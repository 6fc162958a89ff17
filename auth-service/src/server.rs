//! Puts routes and state together, and serves them.

use std::{net::SocketAddr, sync::Arc};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use shared::{
    clock::Clock,
    service::{
        self, StartError,
        aside::{self, Aside},
        drain::{self, Door, Drain, Shutdown},
        requests::{Observer, observe},
    },
};

use crate::{config::Settings, routes, state::State};

/// Mounts the routes in an actix-web app: ours, or yours. [`observe`] takes care of slashes at the end of a path.
pub fn configure(app: &mut ServiceConfig, state: Arc<State>) {
    let shows_metrics = state.shows_metrics;
    app.app_data(Data::new(state.verifier.clone())).app_data(Data::from(state));
    routes::mount(app, shows_metrics);
}

/// A server that listens.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The issuer that its tokens name.
    pub issuer: String,
    /// What its handlers share.
    pub state: Arc<State>,
    /// Serves until it is stopped. Must be awaited, or [`Running::until_told`]. Drop the rest of this when it has ended: until
    /// then the address is not free.
    pub server: Server,
    door: Door,
    aside: Option<ServerHandle>,
    drain: Drain,
    shutdown: Shutdown,
}

impl Running {
    /// Serves until SIGTERM or Ctrl-C, and then ends in order: not ready first, what has begun is finished, what was to be
    /// written behind is written.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn until_told(self) -> std::io::Result<()> {
        let ready = self.state.until_ready();
        drain::serve(self.server, ready, self.door, self.aside, self.drain, self.shutdown).await?;
        self.state.sessions.flush().await;
        Ok(())
    }
}

/// Begins to serve as the settings say.
///
/// # Errors
/// One line that says what is wrong with the settings, the data folder or the address.
pub async fn start(mut settings: Settings, clock: Clock) -> Result<Running, StartError> {
    let addr = settings.auth_addr;
    // The addresses first: a second start finds them taken before it touches anything.
    let (listener, bound) = service::bind(addr, "AUTH_ADDR")?;
    let aside = Aside::bind(settings.metrics_addr)?;
    // From here on the settings name the port that it is.
    settings.auth_addr = bound;
    let state = Arc::new(State::new(&settings, clock).await?);
    let shared = Arc::clone(&state);
    let (drain, shutdown) = (state.drain.clone(), settings.shutdown);
    let observer = Data::new(Observer::new(state.metrics.requests(), drain.clone()));
    aside::log_start("auth-service", bound, aside.as_ref());
    let beside = Arc::clone(&state);
    let aside = aside.map(|aside| {
        aside.serve(observer.clone(), move |app| {
            app.app_data(Data::from(Arc::clone(&beside)));
            routes::mount_aside(app);
        })
    });
    let aside = aside.transpose()?;
    let mut server = HttpServer::new(move || {
        let state = Arc::clone(&shared);
        App::new()
            .app_data(observer.clone())
            .wrap(from_fn(observe))
            .configure(|app| configure(app, state))
            .default_service(web::to(service::not_found))
    })
    .disable_signals()
    .max_connections(settings.limits.connections_per_worker(settings.auth_workers))
    .shutdown_timeout(shutdown.shutdown_timeout.as_secs());
    if let Some(workers) = settings.auth_workers {
        server = server.workers(workers.into());
    }
    let listened = Door::of(&listener).and_then(|door| Ok((door, server.listen(listener)?)));
    let (door, server) = listened.map_err(|why| service::cannot_listen(addr, "AUTH_ADDR", &why))?;
    log::info!("its tokens name the issuer {}", settings.issuer());
    let issuer = settings.issuer();
    Ok(Running { addr: bound, issuer, state, server: server.run(), door, aside, drain, shutdown })
}
