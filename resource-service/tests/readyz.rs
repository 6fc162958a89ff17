//! What `/readyz` says to whoever is called out: why there are no keys, and why revocations are not followed.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;
use shared::testing::TestIssuer;
use test_support::{Client, Process, Proxy};

/// A resource-service that finds keys and revocations at these URLs.
fn start(keys: &str, revocations: &str) -> (Process, Client) {
    let env = [
        ("ISSUER", "http://issuer.test"),
        ("JWKS_URL", keys),
        ("REVOCATIONS_URL", revocations),
        ("REVOCATIONS_CLIENT_ID", "reports-api"),
        ("REVOCATIONS_CLIENT_SECRET", "very-secret"),
        ("RUST_LOG", "info"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env);
    let client = Client::new(process.addr(0));
    (process, client)
}

/// Waits until the reason for what is not well begins like this.
#[track_caller]
fn until_reason<'a>(
    app: &'a Client,
    what: &'a str,
    fits: impl Fn(&str) -> bool + 'a,
) -> impl Future<Output = u16> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let answer = app.get("/readyz", None).await;
            if answer.json["reasons"][what].as_str().is_some_and(&fits) {
                assert_eq!(answer.json[what], "unavailable");
                return answer.status;
            }
            assert!(Instant::now() < deadline, "{caller}: {answer:?}");
        }
    }
}

/// An issuer whose keys are at `/keys`, and whose feed, at `/feed`, has caught up and says nothing more.
fn issuer() -> std::net::SocketAddr {
    let jwks = web::Data::new(TestIssuer::new().jwks());
    let server = HttpServer::new(move || {
        let feed = || async {
            let first = web::Bytes::from_static(b"event: caught-up\ndata: {}\n\n");
            let events = futures_util::stream::once(async { Ok::<_, actix_web::Error>(first) });
            let events = futures_util::StreamExt::chain(events, futures_util::stream::pending());
            HttpResponse::Ok().content_type("text/event-stream").streaming(events)
        };
        App::new()
            .app_data(jwks.clone())
            .route("/feed", web::get().to(feed))
            .route("/empty", web::get().to(|| async { web::Json(json!({"keys": []})) }))
            .route(
                "/keys",
                web::get().to(|jwks: web::Data<shared::keys::JwkSet>| async move {
                    web::Json(serde_json::to_value(&**jwks).unwrap())
                }),
            )
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let addr = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    addr
}

#[actix_web::test]
async fn an_issuer_that_is_not_there_is_told_from_one_that_gives_no_keys() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = issuer();
    for (keys, reason) in [
        (format!("http://{nobody}/keys"), "connection refused"),
        ("http://nowhere.invalid/keys".into(), "its host is not known"),
        (format!("http://{there}/elsewhere"), "it answered 404"),
        (format!("http://{there}/empty"), "what it says cannot be understood"),
    ] {
        let (_process, client) = start(&keys, &format!("http://{nobody}/feed"));
        assert_eq!(until_reason(&client, "keys", |text| text == reason).await, 503);
        let refused =
            |text: &str| text.starts_with("not followed for ") && text.ends_with(" s: connection refused");
        assert_eq!(until_reason(&client, "revocations", refused).await, 503);
    }
}

#[actix_web::test]
async fn an_issuer_that_hangs_is_said_to() {
    // The system takes the connection, and nobody reads what comes by it.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", deaf.local_addr().unwrap());
    let (_process, client) = start(&url, &url);
    assert_eq!(until_reason(&client, "keys", |text| text == "no answer within 5 s").await, 503);
    until_reason(&client, "revocations", |text| text.ends_with(" s: no answer within 10 s")).await;
}

#[actix_web::test]
async fn a_feed_that_refuses_falls_silent_or_breaks_is_said_to_and_tokens_are_still_accepted() {
    let there = issuer();
    let proxy = Proxy::to(there.to_string());
    let keys = format!("http://{there}/keys");
    let (_process, refused) = start(&keys, &format!("http://{there}/nothing"));
    // By the policy this is no reason not to be ready.
    assert_eq!(
        until_reason(&refused, "revocations", |text| text.ends_with(" s: it answered 404")).await,
        200
    );

    let (_process, client) = start(&keys, &format!("http://{}/feed", proxy.addr()));
    let ok = client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
    assert_eq!(ok.json, json!({"service": "ok", "keys": "ok", "revocations": "ok"}));
    until_reason(&client, "revocations", |text| text.ends_with(" s: it said nothing for 10 s")).await;
    client.wait_for_fields("/readyz", &[("revocations", "ok")]).await;
    proxy.cut();
    until_reason(&client, "revocations", |text| text.ends_with(": the connection was lost")).await;
}
