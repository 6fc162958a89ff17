//! The sample browser app of `examples/browser-app`, on an origin of its own: its pages call both
//! services as the pages of any other web server do, by CORS and with the session's cookie.

use std::{future::ready, io, net::SocketAddr};

use actix_web::{
    HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
    web::{self, Bytes, ServiceConfig},
};
use service_kit::{
    CommandError,
    connection_limits::ConnectionLimits,
    cors::BrowserOrigin,
    metrics::RequestMetrics,
    server::{BoundServer, RunningServer, ServerSettings},
    shutdown::{ShutdownSettings, ShutdownToken},
};

use crate::first_steps::with_addresses;

/// Path, media type and content of each file. The files name the default addresses of the services.
const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", include_str!("../../examples/browser-app/index.html")),
    ("/app.js", "text/javascript", include_str!("../../examples/browser-app/app.js")),
    ("/client.js", "text/javascript", include_str!("../../examples/browser-app/client.js")),
    ("/style.css", "text/css", include_str!("../../examples/browser-app/style.css")),
];

/// The listener of the app, not served yet. Both services must know its origin before they start.
pub struct BrowserApp(BoundServer);

impl BrowserApp {
    /// Binds the address of APP_ADDR.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(
        addr: SocketAddr,
        limits: ConnectionLimits,
        shutdown: ShutdownSettings,
    ) -> Result<Self, CommandError> {
        BoundServer::bind(ServerSettings {
            service: "browser app",
            addr,
            addr_setting: "APP_ADDR",
            metrics_addr: None,
            workers: Some(1),
            limits,
            shutdown,
        })
        .map(Self)
    }

    /// Returns the bound address.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Returns the origin of the app's pages, for BROWSER_ORIGINS.
    pub fn origin(&self) -> BrowserOrigin {
        BrowserOrigin::of_server(self.addr())
    }

    /// Serves the files, in which the addresses of the services are these.
    ///
    /// # Errors
    /// If the system refuses to listen.
    pub fn serve(
        self,
        auth: SocketAddr,
        resource: SocketAddr,
    ) -> Result<RunningBrowserApp, CommandError> {
        let files = FILES.map(|(path, media_type, text)| {
            (path, media_type, Bytes::from(with_addresses(text, auth, resource)))
        });
        let routes = move |app: &mut ServiceConfig| {
            for (path, media_type, content) in files.clone() {
                app.route(path, web::get().to(move || ready(answer(media_type, content.clone()))));
            }
        };
        let metrics = RequestMetrics::unregistered();
        self.0.serve(metrics, ShutdownToken::new(), routes, |_| ()).map(RunningBrowserApp)
    }
}

fn answer(media_type: &'static str, content: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // The page has the rest of the policy. This directive works in a header only.
        .insert_header((CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}

/// The app, served.
pub struct RunningBrowserApp(RunningServer);

impl RunningBrowserApp {
    /// Serves until SIGTERM or Ctrl-C, then shuts down.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        self.0.run_until_stopped(ready(())).await
    }
}
