//! A logout takes effect at every resource-service that follows the revocation feed.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use system_tests::{Deployment, is_accepted, wait_until_refused};
use test_support::{Client, Proxy, RedisServer, Tokens, program, sized, wait_until};

/// Waits until a service reports this state of the feed in `/readyz`.
async fn wait_for_feed(resource: &Client, state: &str) {
    resource.wait_for_fields("/readyz", &[("revocations", state), ("keys", "ok")]).await;
}

#[tokio::test]
async fn a_logout_takes_effect_at_every_service_within_a_second() {
    let deployment = Deployment::start(2).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let mut resources = Vec::new();
    for number in 0..3 {
        let feed = deployment.addr(number % 2);
        resources.push(deployment.resource_service(&feed, &[]).await);
    }
    auth[0].new_user("ada").await;
    let other = auth[0].login("ada").await.tokens();
    let mut delays = Vec::new();
    for round in 0..20 {
        let tokens = auth[round % 2].login("ada").await.tokens();
        for (_, resource) in &resources {
            assert!(is_accepted(resource, &tokens).await);
        }
        assert_eq!(auth[0].logout(&tokens).await.status, 204);
        let answered = Instant::now();
        for (_, resource) in &resources {
            // Without a pause, because the delay is measured.
            while is_accepted(resource, &tokens).await {
                assert!(answered.elapsed() < Duration::from_secs(1), "still accepted");
            }
            delays.push(answered.elapsed());
        }
    }
    delays.sort();
    let median = delays[delays.len() / 2];
    println!("refused after: median {median:?}, maximum {:?}", delays[delays.len() - 1]);
    for (_, resource) in &resources {
        assert!(is_accepted(resource, &other).await, "another session of the user");
    }
}

/// An OAuth client. Each of its tokens has a separate session, and costs no password hash.
struct OauthClient<'a> {
    auth: &'a Client,
    secret: String,
}

impl OauthClient<'_> {
    const ID: (&'static str, &'static str) = ("client_id", "batch");

    async fn new_token(&self) -> Tokens {
        let grant = ("grant_type", "client_credentials");
        let form = [grant, Self::ID, ("client_secret", &self.secret)];
        let request = self.auth.request(Method::POST, "/oauth/token").form(&form);
        let answer = self.auth.send(request).await;
        let access = answer.json["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
        Tokens { access: access.to_owned(), refresh: String::new() }
    }

    async fn revoke(&self, tokens: &Tokens) {
        let form = [("token", tokens.access.as_str()), Self::ID, ("client_secret", &self.secret)];
        let request = self.auth.request(Method::POST, "/oauth/revoke").form(&form);
        let answer = self.auth.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Calls a function this many times, some calls concurrently, and returns the tokens.
async fn repeat(count: usize, concurrency: usize, tokens: impl AsyncFn() -> Tokens) -> Vec<Tokens> {
    stream::iter(0..count).map(|_| tokens()).buffered(concurrency).collect().await
}

#[tokio::test]
async fn a_service_learns_of_a_thousand_sessions_that_ended_while_the_feed_was_cut() {
    let deployment = Deployment::start(1).await;
    let auth = deployment.client(0);
    let proxy = Proxy::to(deployment.addr(0));
    let feed = proxy.addr().to_string();
    let (process, resource) = deployment.resource_service(&feed, &[]).await;
    let secret = deployment.create_client("batch", "reports:read");
    let batch = OauthClient { auth: &auth, secret };
    auth.new_user("ada").await;
    auth.new_user("grace").await;
    let before = auth.login("ada").await.tokens();
    assert_eq!(auth.logout(&before).await.status, 204);
    wait_until_refused(&resource, &before).await;
    let of_ada = repeat(20, 4, async || auth.login("ada").await.tokens()).await;
    let of_grace = repeat(20, 4, async || auth.login("grace").await.tokens()).await;
    let of_client = repeat(960, 8, async || batch.new_token().await).await;
    let kept = [auth.login("ada").await.tokens(), batch.new_token().await];

    proxy.cut();
    let cut = Instant::now();
    wait_for_feed(&resource, "unavailable").await;
    process.wait_for_log("cannot follow the revocations at");
    for tokens in &of_ada {
        assert_eq!(auth.logout(tokens).await.status, 204);
    }
    let logout_all = auth.request(Method::POST, "/logout/all").bearer_auth(&of_grace[0].access);
    assert_eq!(auth.send(logout_all).await.status, 204);
    stream::iter(&of_client).for_each_concurrent(8, |tokens| batch.revoke(tokens)).await;
    let ended: Vec<&Tokens> = of_ada.iter().chain(&of_grace).chain(&of_client).collect();
    assert_eq!(ended.len(), 1000);
    let outage = Duration::from_secs(sized(0, 10, 30));
    while cut.elapsed() < outage {
        for tokens in ended.iter().step_by(100).chain(&[&kept[0]]) {
            assert!(is_accepted(&resource, tokens).await, "the outage policy is until_expiry");
        }
    }
    assert!(is_accepted(&resource, ended[999]).await);

    let caught_up = restore_feed(&proxy, &resource).await;
    println!("a thousand ended sessions received within {caught_up:?} of reconnecting");
    assert!(caught_up < Duration::from_secs(2), "{caught_up:?}");
    for tokens in ended.into_iter().chain([&before]) {
        assert!(!is_accepted(&resource, tokens).await);
    }
    for tokens in &kept {
        assert!(is_accepted(&resource, tokens).await);
    }
}

/// Restores the connection to the feed. Returns the time between the new connection and the end of
/// the catch-up.
async fn restore_feed(proxy: &Proxy, resource: &Client) -> Duration {
    let connections = proxy.connection_count();
    proxy.restore();
    wait_until("the service reconnects", async || proxy.connection_count() > connections).await;
    let connected = Instant::now();
    wait_for_feed(resource, "ok").await;
    connected.elapsed()
}

#[tokio::test]
async fn the_outage_policy_decides_while_the_feed_is_cut() {
    let deployment = Deployment::start(1).await;
    let auth = deployment.client(0);
    let proxy = Proxy::to(deployment.addr(0));
    let feed = proxy.addr().to_string();
    let policy = |policy| [("REVOCATIONS_OUTAGE", policy)];
    let (_closed, closed) = deployment.resource_service(&feed, &policy("closed")).await;
    let (_bounded, bounded) = deployment.resource_service(&feed, &policy("bounded:8")).await;
    let (_open, open) = deployment.resource_service(&feed, &[]).await;
    let tokens = auth.new_user("ada").await;
    for resource in [&closed, &bounded, &open] {
        assert!(is_accepted(resource, &tokens).await);
    }

    proxy.cut();
    for resource in [&closed, &bounded, &open] {
        wait_for_feed(resource, "unavailable").await;
    }
    let ask = async |resource: &Client| resource.get("/whoami", Some(&tokens.access)).await;
    ask(&closed).await.assert_problem(503, "unavailable");
    assert_eq!(closed.get("/readyz", None).await.status, 503);
    assert_eq!(ask(&bounded).await.status, 200, "the bound is not reached yet");
    let answer = bounded.wait_for_status_as("/whoami", &tokens.access, 503).await;
    answer.assert_problem(503, "unavailable");
    assert_eq!(bounded.get("/readyz", None).await.status, 503);
    assert_eq!(ask(&open).await.status, 200);
    assert_eq!(open.get("/readyz", None).await.status, 200);

    proxy.restore();
    for resource in [&closed, &bounded, &open] {
        wait_for_feed(resource, "ok").await;
        assert!(is_accepted(resource, &tokens).await);
    }
}

#[tokio::test]
async fn a_service_reconnects_to_a_feed_that_hangs() {
    let deployment = Deployment::start(1).await;
    let proxy = Proxy::to(deployment.addr(0));
    let feed = proxy.addr().to_string();
    let (process, resource) = deployment.resource_service(&feed, &[]).await;
    proxy.blackhole_open();
    wait_for_feed(&resource, "unavailable").await;
    process.wait_for_log("no data for 5 s");
    proxy.restore();
    wait_for_feed(&resource, "ok").await;
}

#[tokio::test]
async fn a_service_leaves_a_replica_that_has_lost_both_stores() {
    let redis = RedisServer::start();
    let to_redis = Proxy::to(redis.addr());
    let mut deployment = Deployment::start_with(1, &[("REDIS_URL", &redis.url())]).await;
    let (to_database, database_url) = deployment.database_proxy();
    let redis_url = format!("redis://{}/", to_redis.addr());
    let settings = [("REDIS_URL", redis_url.as_str()), ("DATABASE_URL", &database_url)];
    let deaf = deployment.add_replica(&settings).await;
    // Like a Service of Kubernetes: the balancer does not look at requests. The first connection
    // and the next one lead to the same replica.
    let replicas = [1, 1, 0].map(|replica| deployment.addr(replica));
    let balancer = Proxy::in_turn(replicas.into());
    let feed = balancer.addr().to_string();
    let closed = [("REVOCATIONS_OUTAGE", "closed")];
    let (_process, resource) = deployment.resource_service(&feed, &closed).await;
    let auth = deployment.client(0);
    let (tokens, ended) = (auth.new_user("ada").await, auth.login("ada").await.tokens());
    assert!(is_accepted(&resource, &tokens).await);
    assert_eq!(balancer.connection_count(), 1);

    to_redis.blackhole_all();
    to_database.blackhole_all();
    wait_until("the service connects to another replica", async || {
        balancer.connection_count() == 3
    })
    .await;
    wait_for_feed(&resource, "ok").await;
    assert_eq!(auth.logout(&ended).await.status, 204);
    wait_until_refused(&resource, &ended).await;
    assert!(is_accepted(&resource, &tokens).await);

    let secret = Some(deployment.feed_secret());
    let request = deaf.request(Method::GET, "/revocations").basic_auth("resource-service", secret);
    let answer = deaf.send(request).await;
    assert_eq!((answer.status, answer.header("connection")), (503, "close"), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_feed_secret_is_logged_without_the_secret() {
    let deployment = Deployment::start(1).await;
    let feed = deployment.addr(0);
    let secret = ("REVOCATIONS_CLIENT_SECRET", "hunter2-is-wrong");
    let process = deployment.start_resource_service(&feed, &[secret]);
    let log = process.wait_for_log("cannot follow the revocations at");
    assert!(log.contains("401 Unauthorized") && !log.contains("hunter2"), "{log}");
}

#[test]
fn a_missing_feed_secret_is_an_error_at_start() {
    let env = [("REVOCATIONS_CLIENT_ID", "resource-service")];
    let mut command = Command::new(program("resource-service"));
    let output = command.env_clear().envs(env).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && errors.contains("revocations-client-secret"), "{errors}");
}
