//! What resource-service does when tokens name keys that nobody has, and when the issuer is slow, or away.

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

/// An issuer's keys over HTTP, and how often they were asked for.
fn serve_keys(issuer: &TestIssuer) -> (SocketAddr, Arc<AtomicUsize>) {
    let (jwks, asked) = (web::Data::new(issuer.jwks()), Arc::new(AtomicUsize::new(0)));
    let count = web::Data::from(Arc::clone(&asked));
    let server = HttpServer::new(move || {
        App::new().app_data(jwks.clone()).app_data(count.clone()).default_service(web::to(
            |jwks: web::Data<shared::keys::JwkSet>, asked: web::Data<AtomicUsize>| async move {
                asked.fetch_add(1, Ordering::Relaxed);
                web::Json(serde_json::to_value(&**jwks).unwrap())
            },
        ))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let addr = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (addr, asked)
}

async fn resource_service(keys: SocketAddr) -> (Process, Client) {
    let url = format!("http://{keys}/");
    let env = [("ISSUER", "http://issuer.test"), ("JWKS_URL", url.as_str()), ("RUST_LOG", "info")];
    let process = Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    (process, client)
}

/// A token that names a key of which nobody has heard.
fn unknown(issuer: &TestIssuer, number: usize) -> String {
    issuer.token().mint_as(&format!("made-up-{number}"))
}

#[actix_web::test]
async fn a_flood_of_unknown_keys_causes_one_fetch_and_holds_up_nobody() {
    let issuer = TestIssuer::new();
    let (keys, asked) = serve_keys(&issuer);
    let (_process, client) = resource_service(keys).await;
    let began = Instant::now();
    let flood = stream::iter(0..10_000).for_each_concurrent(50, |number| {
        let (client, issuer) = (&client, &issuer);
        async move {
            let forged = unknown(issuer, number);
            assert_eq!(client.get("/whoami", Some(&forged)).await.status, 401);
            if number % 20 == 0 {
                let honest = issuer.token().mint();
                assert_eq!(client.get("/whoami", Some(&honest)).await.status, 200);
            }
        }
    });
    flood.await;
    let intervals = began.elapsed().as_secs() as usize / 10;
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..=2 + intervals).contains(&asked), "asked {asked} times in {:?}", began.elapsed());
}

#[actix_web::test]
async fn an_issuer_that_hangs_holds_up_no_token_whose_key_is_known() {
    let issuer = TestIssuer::new();
    let (keys, _) = serve_keys(&issuer);
    let proxy = Proxy::to(keys.to_string());
    let (_process, client) = resource_service(proxy.addr()).await;
    proxy.blackhole_open();
    let unknown: Vec<String> = (0..50).map(|number| unknown(&issuer, number)).collect();
    let flood = {
        let client = client.clone();
        actix_web::rt::spawn(async move {
            join_all(unknown.iter().map(|token| client.get("/whoami", Some(token)))).await
        })
    };
    for _ in 0..100 {
        let honest = issuer.token().mint();
        assert_eq!(client.get("/whoami", Some(&honest)).await.status, 200);
    }
    assert!(!flood.is_finished(), "nothing hung");
    proxy.restore();
    assert!(flood.await.unwrap().iter().all(|answer| answer.status == 401));
}

#[actix_web::test]
async fn tokens_are_verified_while_auth_service_is_away() {
    let folder = temp_dir();
    let env = [("DATA_DIR", folder.path().to_str().unwrap()), ("BCRYPT_COST", "10")];
    let mut auth = Process::start(&program("auth-service"), 1, &env);
    let addr = auth.addr(0);
    let issuer = format!("http://{addr}");
    let env = [("ISSUER", issuer.as_str()), ("JWKS_REFRESH_INTERVAL", "1"), ("RUST_LOG", "info")];
    let resource = Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env);
    let (auth_client, client) = (Client::new(addr), Client::new(resource.addr(0)));
    client.wait_for_status("/readyz", 200).await;
    let seen = auth_client.new_user("ada").await.access;
    let not_seen = auth_client.login("ada").await.tokens().access;
    assert_eq!(client.get("/whoami", Some(&seen)).await.status, 200);

    auth.kill();
    // Asked for the keys again and again, in vain.
    resource.wait_for_log("the keys fetched last stay in use");
    for token in [&seen, &not_seen] {
        let answer = client.get("/whoami", Some(token)).await;
        assert_eq!((answer.status, &answer.json["sub"]), (200, &claims_of(token)["sub"]));
    }
    assert_eq!(client.get("/readyz", None).await.status, 200);
    let forged = TestIssuer::new().token().mint();
    client.get("/whoami", Some(&forged)).await.assert_problem(401, "token_not_valid");
}
