//! A small actix-web service that accepts auth-service's access tokens. Copy what you need.

#[cfg(test)]
mod tests;

use std::env;

use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    get,
    middleware::{Next, from_fn},
    web::{self, Data, ServiceConfig},
};
use shared::{
    AccessToken, OptionalToken, Requirement, Requires, Verifier,
    revocations::{Feed, OutagePolicy},
};

/// Public: needs no token.
#[get("/")]
async fn index() -> &'static str {
    "public\n"
}

/// Needs no token, and knows the user if there is one. A token that is refused gets 401.
#[get("/hello")]
async fn hello(OptionalToken(token): OptionalToken) -> String {
    match token {
        Some(token) => format!("hello, user {}\n", token.sub),
        None => "hello, guest\n".to_owned(),
    }
}

/// Needs a valid access token. Without one, the client gets 401 and this function does not run.
#[get("/me")]
async fn me(token: AccessToken) -> String {
    format!("user {}\n", token.sub)
}

struct ReadReports;

impl Requirement for ReadReports {
    const SCOPE: Option<&str> = Some("reports:read");
}

/// Needs the scope `reports:read`. With another valid token, the client gets 403.
#[get("/reports")]
async fn reports(token: Requires<ReadReports>) -> String {
    format!("reports for {}\n", token.sub)
}

struct Admin;

impl Requirement for Admin {
    const ROLE: Option<&str> = Some("admin");
}

/// Needs the role `admin`.
#[get("/admin")]
async fn admin(token: Requires<Admin>) -> String {
    format!("administrator {}\n", token.sub)
}

/// Guards a scope: every route below it needs the role `admin`.
async fn admins_only(
    _: Requires<Admin>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    next.call(request).await
}

/// Needs the role `admin`, because the scope does.
#[get("/users")]
async fn users() -> &'static str {
    "users\n"
}

/// For the load balancer: 503 with the reason while the service cannot verify tokens.
#[get("/readyz")]
async fn readyz(verifier: Data<Verifier>) -> HttpResponse {
    if verifier.is_ready() {
        return HttpResponse::Ok().body("ready\n");
    }
    let reason = match verifier.keys_error() {
        Some(error) => format!("keys: {error}\n"),
        None => "revocations: not followed\n".to_owned(),
    };
    HttpResponse::ServiceUnavailable().body(reason)
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

/// Adds the routes. The extractors find the verifier in the app's data.
fn configure(config: &mut ServiceConfig, verifier: Verifier) {
    let settings = web::scope("/settings").wrap(from_fn(admins_only)).service(users);
    config
        .app_data(Data::new(verifier))
        .service((index, hello, me, reports, admin, readyz, settings));
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    // The verifier logs why it cannot fetch keys or follow revocations.
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let verifier = verifier();
    let checked = verifier.clone();
    // The service listens meanwhile, because a load balancer asks /readyz.
    actix_web::rt::spawn(async move {
        if let Err(why) = checked.ready().await {
            log::error!("no access token can be verified: {why}");
        }
    });
    HttpServer::new(move || App::new().configure(|config| configure(config, verifier.clone())))
        .bind(addr)?
        .run()
        .await
}
