//! A small axum service that accepts auth-service's access tokens. Copy what you need.

#[cfg(test)]
mod tests;

use std::env;

use axum::{
    Router, extract::State, http::StatusCode, middleware::from_extractor_with_state, routing::get,
};
use shared::{
    AccessToken, Requirement, Requires, Verifier,
    revocations::{Feed, OutagePolicy},
};
use tokio::net::TcpListener;

/// Public: needs no token.
async fn index() -> &'static str {
    "public\n"
}

/// Needs no token, and knows the user if there is one. A token that is refused gets 401.
async fn hello(token: Option<AccessToken>) -> String {
    match token {
        Some(token) => format!("hello, user {}\n", token.sub),
        None => "hello, guest\n".to_owned(),
    }
}

/// Needs a valid access token. Without one, the client gets 401 and this function does not run.
async fn me(token: AccessToken) -> String {
    format!("user {}\n", token.sub)
}

struct ReadReports;

impl Requirement for ReadReports {
    const SCOPE: Option<&str> = Some("reports:read");
}

/// Needs the scope `reports:read`. With another valid token, the client gets 403.
async fn reports(token: Requires<ReadReports>) -> String {
    format!("reports for {}\n", token.sub)
}

struct Admin;

impl Requirement for Admin {
    const ROLE: Option<&str> = Some("admin");
}

/// Needs the role `admin`.
async fn admin(token: Requires<Admin>) -> String {
    format!("administrator {}\n", token.sub)
}

/// Needs the role `admin`, because the router of the settings does.
async fn users() -> &'static str {
    "users\n"
}

/// Returns routes that all need the role `admin`.
fn settings(verifier: &Verifier) -> Router<Verifier> {
    let admins_only = from_extractor_with_state::<Requires<Admin>, _>(verifier.clone());
    Router::new().route("/users", get(users)).route_layer(admins_only)
}

/// For the load balancer: 503 with the reason while the service cannot verify tokens.
async fn readyz(State(verifier): State<Verifier>) -> (StatusCode, String) {
    if verifier.is_ready() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let reason = match verifier.keys_error() {
        Some(error) => format!("keys: {error}\n"),
        None => "revocations: not followed\n".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// Builds the verifier from the environment. Follows the revocation feed if a client for it is set.
fn verifier() -> Verifier {
    let issuer = env::var("ISSUER").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let audience = env::var("AUDIENCE").unwrap_or_else(|_| "api".into());
    let client_id = env::var("REVOCATIONS_CLIENT_ID").ok();
    let client_secret = env::var("REVOCATIONS_CLIENT_SECRET").ok();

    let builder = Verifier::builder(&issuer).audience(audience);
    match client_id.zip(client_secret) {
        Some((client_id, client_secret)) => {
            let feed = Feed { url: format!("{issuer}/revocations"), client_id, client_secret };
            builder.revocations(feed, OutagePolicy::UntilExpiry).build()
        }
        None => builder.build(),
    }
}

/// Returns the routes. The verifier is the router's state. If your state is a type of its own,
/// implement `FromRef` to get the verifier from it.
fn app(verifier: Verifier) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/hello", get(hello))
        .route("/me", get(me))
        .route("/reports", get(reports))
        .route("/admin", get(admin))
        .route("/readyz", get(readyz))
        .nest("/settings", settings(&verifier))
        .with_state(verifier)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // The verifier logs why it cannot fetch keys or follow revocations.
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(addr).await?;
    let verifier = verifier();
    let checked = verifier.clone();
    // The service listens meanwhile, because a load balancer asks /readyz.
    tokio::spawn(async move {
        if let Err(why) = checked.ready().await {
            log::error!("no access token can be verified: {why}");
        }
    });
    axum::serve(listener, app(verifier)).await
}
