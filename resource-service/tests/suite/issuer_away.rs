//! Tokens with unknown keys, and an issuer that hangs or is unreachable.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use actix_web::{App, HttpServer, web};
use futures_util::{StreamExt, future::join_all, stream};
use shared::testing::TestIssuer;
use test_support::{Client, Process, Proxy, claims_of, program, temp_dir};

/// Serves an issuer's keys over HTTP. Returns the address, and the number of fetches so far.
fn serve_keys(issuer: &TestIssuer) -> (SocketAddr, Arc<AtomicUsize>) {
    let jwks = web::Data::new(issuer.jwks());
    let fetches = Arc::new(AtomicUsize::new(0));
    let count = web::Data::from(Arc::clone(&fetches));
    let server = HttpServer::new(move || {
        App::new().app_data(jwks.clone()).app_data(count.clone()).default_service(web::to(
            |jwks: web::Data<shared::keys::JwkSet>, count: web::Data<AtomicUsize>| async move {
                count.fetch_add(1, Ordering::Relaxed);
                web::Json(serde_json::to_value(&**jwks).unwrap())
            },
        ))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let addr = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (addr, fetches)
}

async fn resource_service(keys: SocketAddr) -> (Process, Client) {
    let url = format!("http://{keys}/");
    let env = [("ISSUER", "http://issuer.test"), ("JWKS_URL", url.as_str()), ("RUST_LOG", "info")];
    let process = Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    (process, client)
}

/// Returns a token that names a key that the issuer does not have.
fn with_unknown_key(issuer: &TestIssuer, number: usize) -> String {
    issuer.token().mint_as(&format!("made-up-{number}"))
}

#[actix_web::test]
async fn tokens_with_unknown_keys_cause_one_fetch_per_interval_and_delay_no_valid_token() {
    let issuer = TestIssuer::new();
    let (keys, fetches) = serve_keys(&issuer);
    let (_process, client) = resource_service(keys).await;
    let started = Instant::now();
    let flood = stream::iter(0..10_000).for_each_concurrent(50, |number| {
        let client = &client;
        let issuer = &issuer;
        async move {
            let forged = with_unknown_key(issuer, number);
            assert_eq!(client.get("/whoami", Some(&forged)).await.status, 401);
            if number % 20 == 0 {
                let valid = issuer.token().mint();
                assert_eq!(client.get("/whoami", Some(&valid)).await.status, 200);
            }
        }
    });
    flood.await;
    let intervals = started.elapsed().as_secs() as usize / 10;
    let fetches = fetches.load(Ordering::Relaxed);
    assert!((2..=2 + intervals).contains(&fetches), "{fetches} in {:?}", started.elapsed());
}

#[actix_web::test]
async fn an_issuer_that_hangs_delays_no_token_with_a_known_key() {
    let issuer = TestIssuer::new();
    let (keys, _) = serve_keys(&issuer);
    let proxy = Proxy::to(keys.to_string());
    let (_process, client) = resource_service(proxy.addr()).await;
    let connections = proxy.connection_count();
    proxy.blackhole_all();
    let forged: Vec<String> = (0..50).map(|number| with_unknown_key(&issuer, number)).collect();
    let flood = {
        let client = client.clone();
        actix_web::rt::spawn(async move {
            join_all(forged.iter().map(|token| client.get("/whoami", Some(token)))).await
        })
    };
    for _ in 0..100 {
        let valid = issuer.token().mint();
        assert_eq!(client.get("/whoami", Some(&valid)).await.status, 200);
    }
    assert!(!flood.is_finished(), "no request waits for the issuer");
    proxy.restore();
    assert!(flood.await.unwrap().iter().all(|answer| answer.status == 401));
    assert_eq!(proxy.connection_count(), connections + 1, "the requests share one new connection");
}

#[actix_web::test]
async fn tokens_are_verified_while_auth_service_is_unreachable() {
    let folder = temp_dir();
    let env = [("DATA_DIR", folder.path().to_str().unwrap()), ("BCRYPT_COST", "10")];
    let mut auth = Process::start(&program("auth-service"), 1, &env);
    let addr = auth.addr(0);
    let issuer = format!("http://{addr}");
    let env = [("ISSUER", issuer.as_str()), ("JWKS_REFRESH_INTERVAL", "1"), ("RUST_LOG", "info")];
    let resource = Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env);
    let auth_client = Client::new(addr);
    let client = Client::new(resource.addr(0));
    client.wait_for_status("/readyz", 200).await;
    let verified_before = auth_client.new_user("ada").await.access;
    let new = auth_client.login("ada").await.tokens().access;
    assert_eq!(client.get("/whoami", Some(&verified_before)).await.status, 200);

    auth.kill();
    // Fetches of the keys fail now.
    resource.wait_for_log("the keys fetched last stay in use");
    for token in [&verified_before, &new] {
        let answer = client.get("/whoami", Some(token)).await;
        assert_eq!((answer.status, &answer.json["sub"]), (200, &claims_of(token)["sub"]));
    }
    assert_eq!(client.get("/readyz", None).await.status, 200);
    let forged = TestIssuer::new().token().mint();
    client.get("/whoami", Some(&forged)).await.assert_problem(401, "token_not_valid");
}
