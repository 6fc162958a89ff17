//! The reasons in `/readyz`: why there are no keys, and why the revocation feed is down.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;
use shared::testing::TestIssuer;
use test_support::{Client, Process, Proxy};

/// Starts a resource-service with these URLs of keys and revocation feed.
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

/// Waits until `/readyz` gives an expected reason for the part `what`. Returns the status of that
/// answer.
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

/// Serves the keys of an issuer at `/keys`, an empty key set at `/empty`, and a feed at `/feed`
/// that sends `caught-up` and then stays silent.
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
async fn reasons_tell_an_unreachable_issuer_from_an_issuer_without_keys() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let issuer = issuer();
    for (keys, reason) in [
        (format!("http://{closed}/keys"), "connection refused"),
        ("http://nowhere.invalid/keys".into(), "unknown host"),
        (format!("http://{issuer}/elsewhere"), "unexpected status 404"),
        (format!("http://{issuer}/empty"), "invalid response"),
    ] {
        let (_process, client) = start(&keys, &format!("http://{closed}/feed"));
        assert_eq!(until_reason(&client, "keys", |text| text == reason).await, 503);
        let refused = |text: &str| {
            text.starts_with("not followed for ") && text.ends_with(" s: connection refused")
        };
        assert_eq!(until_reason(&client, "revocations", refused).await, 503);
    }
}

#[actix_web::test]
async fn reasons_name_an_issuer_that_hangs() {
    // The system accepts connections, but no program reads them.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", hanging.local_addr().unwrap());
    let (_process, client) = start(&url, &url);
    assert_eq!(until_reason(&client, "keys", |text| text == "no answer within 5 s").await, 503);
    until_reason(&client, "revocations", |text| text.ends_with(" s: no answer within 5 s")).await;
}

#[actix_web::test]
async fn reasons_name_a_feed_that_refuses_is_silent_or_breaks_while_the_service_stays_ready() {
    let issuer = issuer();
    let proxy = Proxy::to(issuer.to_string());
    let keys = format!("http://{issuer}/keys");
    let (_process, refused) = start(&keys, &format!("http://{issuer}/nothing"));
    // The default outage policy accepts tokens without the feed.
    let not_found = |text: &str| text.ends_with(" s: unexpected status 404");
    // At the start, the service waits for the past.
    assert_eq!(until_reason(&refused, "revocations", not_found).await, 503);
    refused.wait_for_status("/readyz", 200).await;
    assert_eq!(until_reason(&refused, "revocations", not_found).await, 200);

    let (_process, client) = start(&keys, &format!("http://{}/feed", proxy.addr()));
    let ok = client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
    assert_eq!(ok.json, json!({"service": "ok", "keys": "ok", "revocations": "ok"}));
    until_reason(&client, "revocations", |text| text.ends_with(" s: no data for 5 s")).await;
    client.wait_for_fields("/readyz", &[("revocations", "ok")]).await;
    proxy.cut();
    until_reason(&client, "revocations", |text| text.ends_with(": connection lost")).await;
}
