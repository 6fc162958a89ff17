//! The limit: a minimal actix-web server that the services are compared with.
//!
//! For each operation it does only the work that cannot be omitted: no validation, no limits, no
//! metrics, no logs and no audit trail. The comment of each handler in `routes` names that work.

mod routes;
mod state;
mod store;
mod tokens;

use std::net::SocketAddr;

use actix_web::{
    App, HttpServer,
    web::{Data, get, post},
};
use clap::Parser;

use self::state::State;

/// Minimal server with the routes of auth-service and resource-service, for benchmarks
#[derive(Parser)]
struct Settings {
    #[arg(long, env = "LIMIT_ADDR", default_value = "127.0.0.1:18180")]
    addr: SocketAddr,
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    #[arg(long, env = "REDIS_URL")]
    redis_url: String,
    #[arg(long, env = "BCRYPT_COST", default_value_t = 12)]
    bcrypt_cost: u32,
    #[arg(long, env = "HASH_THREADS", default_value_t = 2)]
    hash_threads: usize,
    #[arg(long, env = "WORKERS", default_value_t = 2)]
    workers: usize,
    /// Secret of the client that introspects tokens
    #[arg(long, env = "CLIENT_SECRET", default_value = "secret")]
    client_secret: String,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::parse();
    let state = Data::new(State::new(&settings)?);
    let redis = redis::Client::open(settings.redis_url)?;
    HttpServer::new(move || {
        let redis = redis.clone();
        App::new()
            .app_data(state.clone())
            // Each worker has its own connection.
            .data_factory(move || {
                let redis = redis.clone();
                async move { redis.get_multiplexed_async_connection().await }
            })
            .route("/register", post().to(routes::register))
            .route("/login", post().to(routes::login))
            .route("/token/refresh", post().to(routes::refresh))
            .route("/token/refresh/cookie", post().to(routes::refresh_by_cookie))
            .route("/logout", post().to(routes::logout))
            .route("/whoami", get().to(routes::whoami))
            .route("/open", get().to(routes::open))
            .route("/token/verify", post().to(routes::verify))
            .route("/oauth/introspect", post().to(routes::introspect))
            .route("/.well-known/jwks.json", get().to(routes::jwks))
            .route("/healthz", get().to(async || "ok"))
    })
    .workers(settings.workers)
    .bind(settings.addr)?
    .run()
    .await?;
    Ok(())
}
