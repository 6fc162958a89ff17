//! The feed of ended sessions.

use std::time::Duration;

use crate::support::{TestApp, oauth::Credentials, on_both_stores};
use reqwest::Method;
use rstest_reuse::{apply, template};
use serde_json::{Value, json};
use test_support::{Client, RedisServer, claims_of, unique};

/// Runs a test on both stores, with access tokens that live for an hour.
#[template]
#[rstest::rstest]
#[case::embedded(TestApp::embedded_with(&["--access-token-lifetime=3600"]))]
#[case::deployed(TestApp::deployed_with(&["--access-token-lifetime=3600"]))]
#[actix_web::test]
async fn on_both_stores_with_long_tokens(
    #[future(awt)]
    #[case]
    app: TestApp,
) {
}

fn new_client(app: &TestApp, scope: &str) -> Credentials {
    app.client(&unique("listener-"), &[scope])
}

/// A listener of the feed.
struct Listener {
    response: reqwest::Response,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    id: Option<String>,
    name: String,
    data: Value,
}

impl Listener {
    async fn start(service: &Client, client: &Credentials, last: Option<&str>) -> Self {
        let mut request =
            service.request(Method::GET, "/revocations").basic_auth(&client.0, Some(&client.1));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["connection"], "close");
        Self { response, text: String::new() }
    }

    /// Returns the next event. Skips comments.
    async fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
                        .map(str::to_owned)
                };
                let found = field("event").map(|name| Event {
                    id: field("id"),
                    name,
                    data: serde_json::from_str(&field("data").unwrap()).unwrap(),
                });
                self.text = rest.to_owned();
                match found {
                    Some(event) => return event,
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            let chunk = chunk.await.expect("the feed is silent").unwrap().expect("the feed ended");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Returns the sessions that the feed sends before the catch-up ends.
    async fn catch_up(&mut self) -> Vec<String> {
        let mut sids = Vec::new();
        loop {
            let event = self.next().await;
            if event.name == "caught-up" {
                return sids;
            }
            sids.push(event.data["sid"].as_str().unwrap().to_owned());
        }
    }

    /// Asserts that the next event ends this session, and returns the event.
    async fn assert_ended(&mut self, sid: &str) -> Event {
        let event = self.next().await;
        assert_eq!((event.name.as_str(), event.data["sid"].as_str()), ("revoked", Some(sid)));
        event
    }
}

fn sid(access: &str) -> String {
    claims_of(access)["sid"].as_str().unwrap().to_owned()
}

#[apply(on_both_stores)]
async fn every_ended_session_is_published(app: TestApp) {
    let client = new_client(&app, "revocations:read");
    app.new_user("ada").await;
    let mut listener = Listener::start(&app, &client, None).await;
    assert_eq!(listener.catch_up().await, Vec::<String>::new());

    let tokens = app.login("ada").await.tokens();
    let iat = claims_of(&tokens.access)["iat"].as_i64().unwrap();
    assert_eq!(app.logout(&tokens).await.status, 204);
    let event = listener.assert_ended(&sid(&tokens.access)).await;
    // The lifetime of an access token, plus a margin for clock differences.
    let until = event.data["until"].as_i64().unwrap();
    assert!((iat + 600..iat + 605).contains(&until), "{until} {iat}");
    assert_eq!(app.logout(&tokens).await.status, 204);

    let revoked = app.login("ada").await.tokens();
    let form = [("token", revoked.access.as_str())];
    assert_eq!(app.send(app.request(Method::POST, "/oauth/revoke").form(&form)).await.status, 200);
    listener.assert_ended(&sid(&revoked.access)).await;

    let reused = app.login("ada").await.tokens();
    let next = app.refreshed(&reused.refresh).await;
    app.refreshed(&next.refresh).await;
    app.refresh(&reused.refresh).await.assert_problem(401, "token_not_valid");
    listener.assert_ended(&sid(&reused.access)).await;

    // A later listener gets each event once, until no access token of the session is valid.
    let all = [sid(&tokens.access), sid(&revoked.access), sid(&reused.access)];
    assert_eq!(Listener::start(&app, &client, None).await.catch_up().await, all);
    app.advance(601);
    assert_eq!(Listener::start(&app, &client, None).await.catch_up().await, Vec::<String>::new());
}

#[apply(on_both_stores)]
async fn later_replica_publishes_recent_revocations(app: TestApp) {
    let client = new_client(&app, "revocations:read");
    let tokens = app.new_user("ada").await;
    app.logout(&tokens).await;
    let again = app.replica().await;
    again.wait_for_status("/readyz", 200).await;
    assert_eq!(
        Listener::start(&again, &client, None).await.catch_up().await,
        [sid(&tokens.access)]
    );
}

#[apply(on_both_stores_with_long_tokens)]
async fn ended_session_stays_refused_after_the_token_lifetime_is_lowered(app: TestApp) {
    let client = new_client(&app, "revocations:read");
    let tokens = app.new_user("ada").await;
    assert_eq!(app.logout(&tokens).await.status, 204);
    let lifetime = Duration::from_secs(20);
    let restarted = app.replica_with(|settings| settings.access_token_lifetime = lifetime).await;
    restarted.wait_for_status("/readyz", 200).await;
    let short = restarted.login("ada").await.tokens();
    let seconds = |access: &str| {
        let claims = claims_of(access);
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!((seconds(&tokens.access), seconds(&short.access)), (3600, 20));
    assert_eq!(restarted.logout(&short).await.status, 204);

    // The access token expires in less than a minute.
    app.advance(3550);
    let mut sids = [sid(&tokens.access), sid(&short.access)];
    sids.sort();
    let again = app.replica_with(|settings| settings.access_token_lifetime = lifetime).await;
    again.wait_for_status("/readyz", 200).await;
    for service in [&restarted, &again] {
        let mut sent = Listener::start(service, &client, None).await.catch_up().await;
        sent.sort();
        assert_eq!(sent, sids);
        service.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
    }
    app.advance(3600);
    let mut listener = Listener::start(&restarted, &client, None).await;
    assert_eq!(listener.catch_up().await, Vec::<String>::new());
}

#[apply(on_both_stores)]
async fn only_clients_with_the_scope_may_listen(app: TestApp) {
    let ask = |client: Option<Credentials>| {
        let mut request = app.request(Method::GET, "/revocations");
        if let Some((id, secret)) = client {
            request = request.basic_auth(id, Some(secret));
        }
        app.send(request)
    };
    let (id, secret) = new_client(&app, "revocations:read");
    for client in [None, Some((id, "wrong".to_owned())), Some(("unknown".to_owned(), secret))] {
        let answer = ask(client).await;
        assert_eq!((answer.status, &answer.json["error"]), (401, &json!("invalid_client")));
        assert_eq!(answer.header("www-authenticate"), r#"Basic realm="clients""#);
    }
    let answer = ask(Some(new_client(&app, "reports:read"))).await;
    let challenge = answer.assert_problem(403, "permission_denied").header("www-authenticate");
    assert_eq!(challenge, r#"Bearer error="insufficient_scope", scope="revocations:read""#);
    let user = app.new_user("ada").await.access;
    assert_eq!(app.get("/revocations", Some(&user)).await.status, 401);
}

#[actix_web::test]
async fn replicas_share_revocations_and_a_listener_resumes_at_any_replica() {
    let app = TestApp::deployed().await;
    let replica = app.replica().await;
    replica.wait_for_status("/readyz", 200).await;
    let client = new_client(&app, "revocations:read");
    app.new_user("ada").await;
    let mut listener = Listener::start(&replica, &client, None).await;
    listener.catch_up().await;
    let mut sids = Vec::new();
    let mut ids = Vec::new();
    for number in 0..6 {
        let tokens = app.login("ada").await.tokens();
        let at: &Client = if number % 2 == 0 { &app } else { &replica };
        at.logout(&tokens).await;
        sids.push(sid(&tokens.access));
        ids.push(listener.assert_ended(&sids[number]).await.id.unwrap());
    }
    drop(listener);
    for service in [&*app, &replica] {
        let mut resumed = Listener::start(service, &client, Some(&ids[3])).await;
        assert_eq!(resumed.catch_up().await, sids[4..]);
        // An unknown position restarts the feed at its beginning.
        for unknown in ["1-1", "nonsense", "99999999999999-0"] {
            assert_eq!(
                Listener::start(service, &client, Some(unknown)).await.catch_up().await,
                sids
            );
        }
    }
    // A new replica knows some revocations only from the database, and sends them again.
    let late = app.replica().await;
    late.wait_for_status("/readyz", 200).await;
    let mut sent = Listener::start(&late, &client, Some(&ids[3])).await.catch_up().await;
    sent.sort();
    let mut all = sids.clone();
    all.sort();
    assert!(sent == all || sids[4..].iter().all(|sid| sent.contains(sid)), "{sent:?}");
}

#[actix_web::test]
async fn logout_during_a_redis_outage_reaches_listeners_of_all_replicas() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let replica = app.replica().await;
    replica.wait_for_status("/readyz", 200).await;
    let client = new_client(&app, "revocations:read");
    let tokens = app.new_user("ada").await;
    let mut here = Listener::start(&app, &client, None).await;
    let mut elsewhere = Listener::start(&replica, &client, None).await;
    here.catch_up().await;
    elsewhere.catch_up().await;
    redis.stop();
    assert_eq!(app.logout(&tokens).await.status, 204);
    here.assert_ended(&sid(&tokens.access)).await;
    // The replica reads the database while Redis is still stopped.
    elsewhere.assert_ended(&sid(&tokens.access)).await;
    redis.restart();
    // The feed continues after the Redis stream loses all data.
    redis.wipe();
    app.wait_for_status("/readyz", 200).await;
    let tokens = app.login("ada").await.tokens();
    assert_eq!(app.logout(&tokens).await.status, 204);
    here.assert_ended(&sid(&tokens.access)).await;
    elsewhere.assert_ended(&sid(&tokens.access)).await;
}

#[actix_web::test]
async fn replica_that_waits_for_redis_learns_of_logouts_from_the_database() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    // The replica waits for Redis for longer than this test waits for an event.
    let replica =
        app.replica_with(|settings| settings.redis.timeout = Duration::from_secs(300)).await;
    replica.wait_for_status("/readyz", 200).await;
    let client = new_client(&app, "revocations:read");
    let tokens = app.new_user("ada").await;
    let others = [app.login("ada").await.tokens(), app.login("ada").await.tokens()];
    let mut listener = Listener::start(&replica, &client, None).await;
    listener.catch_up().await;

    redis.pause();
    for tokens in others.iter().chain([&tokens]) {
        assert_eq!(app.logout(tokens).await.status, 204);
        listener.assert_ended(&sid(&tokens.access)).await;
    }
    redis.unpause();
}

#[actix_web::test]
async fn feed_ends_when_the_replica_receives_no_revocations() {
    let mut redis = RedisServer::start();
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &["--database-timeout=1"]).await;
    let client = new_client(&app, "revocations:read");
    let mut listener = Listener::start(&app, &client, None).await;
    listener.catch_up().await;

    redis.stop();
    proxy.cut();
    // The feed sends only comments, and then ends.
    while listener.response.chunk().await.unwrap().is_some() {}
    app.wait_for_fields("/readyz", &[("revocations", "unavailable")]).await;
    let again = app.request(Method::GET, "/revocations").basic_auth(&client.0, Some(&client.1));
    assert_eq!(app.send(again).await.status, 503);

    redis.restart();
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    Listener::start(&app, &client, None).await.catch_up().await;
}

#[actix_web::test]
async fn unknown_entry_of_the_stream_is_skipped() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let client = new_client(&app, "revocations:read");
    let tokens = app.new_user("ada").await;
    let mut listener = Listener::start(&app, &client, None).await;
    listener.catch_up().await;
    redis.command(&["XADD", "revocations", "*", "foo", "bar"]).unwrap();
    assert_eq!(app.logout(&tokens).await.status, 204);
    // The id shows that the event came from the stream.
    let id = listener.assert_ended(&sid(&tokens.access)).await.id.unwrap();
    assert!(!id.starts_with("0-"), "{id}");
}

#[actix_web::test]
async fn feed_of_a_deleted_client_ends() {
    let app = TestApp::embedded().await;
    let client = new_client(&app, "revocations:read");
    let mut listener = Listener::start(&app, &client, None).await;
    listener.catch_up().await;
    assert!(app.cli(&["clients", "delete", &client.0]).status.success());
    let end = async { while listener.response.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the end of the feed");
}
