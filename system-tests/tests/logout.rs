//! Logged out means logged out, everywhere: processes of resource-service that follow the revocations of auth-service.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use system_tests::{Deployment, ISSUER, is_accepted, until_refused};
use test_support::{Client, Process, Proxy, Tokens, program, sized};

/// Waits until it follows the revocations, or does not.
async fn until(resource: &Client, revocations: &str) {
    resource.until_json("/readyz", &[("revocations", revocations), ("keys", "ok")]).await;
}

#[tokio::test]
async fn a_logout_takes_effect_at_every_service_within_a_second() {
    let deployment = Deployment::start(2).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let mut resources = Vec::new();
    for number in 0..3 {
        let addr = deployment.auth[number % 2].addr(0).to_string();
        resources.push(deployment.resource_service(&addr, &[]).await);
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
            while is_accepted(resource, &tokens).await {
                assert!(answered.elapsed() < Duration::from_secs(1), "still accepted");
            }
            delays.push(answered.elapsed());
        }
    }
    delays.sort();
    println!("refused after: median {:?}, maximum {:?}", delays[delays.len() / 2], delays[delays.len() - 1]);
    for (_, resource) in &resources {
        assert!(is_accepted(resource, &other).await, "another session of the same user");
    }
}

/// A client's token is a session of its own, and costs no password's hash.
async fn token_of_client(auth: &Client, secret: &str) -> Tokens {
    let form = [("grant_type", "client_credentials"), ("client_id", "batch"), ("client_secret", secret)];
    let answer = auth.send(auth.request(Method::POST, "/oauth/token").form(&form)).await;
    let access = answer.json["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    Tokens { access: access.to_owned(), refresh: String::new() }
}

#[tokio::test]
async fn of_a_thousand_sessions_that_end_while_the_feed_is_cut_none_is_missed() {
    let deployment = Deployment::start(1).await;
    let auth = deployment.client(0);
    let proxy = Proxy::to(deployment.auth[0].addr(0).to_string());
    let (process, resource) = deployment.resource_service(&proxy.addr().to_string(), &[]).await;
    let made = deployment.cli(&["clients", "create", "batch", "--scope", "reports:read"]);
    let secret = made.split_whitespace().last().unwrap();
    auth.new_user("ada").await;
    auth.new_user("grace").await;
    let before = auth.login("ada").await.tokens();
    assert_eq!(auth.logout(&before).await.status, 204);
    until_refused(&resource, &before).await;
    let many = |count| stream::iter(0..count);
    let adas: Vec<Tokens> =
        many(20).map(|_| async { auth.login("ada").await.tokens() }).buffered(4).collect().await;
    let graces: Vec<Tokens> =
        many(20).map(|_| async { auth.login("grace").await.tokens() }).buffered(4).collect().await;
    let clients: Vec<Tokens> = many(960).map(|_| token_of_client(&auth, secret)).buffered(8).collect().await;
    let kept = [auth.login("ada").await.tokens(), token_of_client(&auth, secret).await];

    proxy.cut();
    let cut = Instant::now();
    until(&resource, "unavailable").await;
    process.log_with("cannot follow the revocations at");
    for tokens in &adas {
        assert_eq!(auth.logout(tokens).await.status, 204);
    }
    let everywhere = auth.request(Method::POST, "/logout/all").bearer_auth(&graces[0].access);
    assert_eq!(auth.send(everywhere).await.status, 204);
    let revoke = async |tokens: &Tokens| {
        let form = [("token", tokens.access.as_str()), ("client_id", "batch"), ("client_secret", secret)];
        let answer = auth.send(auth.request(Method::POST, "/oauth/revoke").form(&form)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    stream::iter(&clients).for_each_concurrent(8, revoke).await;
    let ended: Vec<&Tokens> = adas.iter().chain(&graces).chain(&clients).collect();
    assert_eq!(ended.len(), 1000);
    let outage = Duration::from_secs(sized(0, 10, 30));
    while cut.elapsed() < outage {
        for tokens in ended.iter().step_by(100).chain(&[&kept[0]]) {
            assert!(is_accepted(&resource, tokens).await, "until it expires, as the policy has it");
        }
    }
    assert!(is_accepted(&resource, ended[999]).await);

    let connections = proxy.forwarded();
    proxy.mend();
    while proxy.forwarded() == connections {
        tokio::task::yield_now().await;
    }
    let connected = Instant::now();
    until(&resource, "ok").await;
    let caught_up = connected.elapsed();
    println!("a thousand ends were heard of within {caught_up:?} of reconnecting");
    assert!(caught_up < Duration::from_secs(2), "{caught_up:?}");
    for tokens in ended.into_iter().chain([&before]) {
        assert!(!is_accepted(&resource, tokens).await);
    }
    for tokens in &kept {
        assert!(is_accepted(&resource, tokens).await);
    }
}

#[tokio::test]
async fn without_the_feed_the_policy_decides() {
    let deployment = Deployment::start(1).await;
    let auth = deployment.client(0);
    let proxy = Proxy::to(deployment.auth[0].addr(0).to_string());
    let addr = proxy.addr().to_string();
    let (_closed, closed) = deployment.resource_service(&addr, &[("REVOCATIONS_OUTAGE", "closed")]).await;
    let (_bounded, bounded) =
        deployment.resource_service(&addr, &[("REVOCATIONS_OUTAGE", "bounded:4")]).await;
    let (_open, open) = deployment.resource_service(&addr, &[]).await;
    let tokens = auth.new_user("ada").await;
    for resource in [&closed, &bounded, &open] {
        assert!(is_accepted(resource, &tokens).await);
    }

    proxy.cut();
    for resource in [&closed, &bounded, &open] {
        until(resource, "unavailable").await;
    }
    let ask = |resource: &Client| {
        let (resource, access) = (resource.clone(), tokens.access.clone());
        async move { resource.get("/whoami", Some(&access)).await }
    };
    ask(&closed).await.assert_problem(503, "unavailable");
    assert_eq!(closed.get("/readyz", None).await.status, 503);
    assert_eq!(ask(&bounded).await.status, 200, "not yet");
    bounded.until_get_as("/whoami", &tokens.access, 503).await.assert_problem(503, "unavailable");
    assert_eq!(bounded.get("/readyz", None).await.status, 503);
    assert_eq!((ask(&open).await.status, open.get("/readyz", None).await.status), (200, 200));

    proxy.mend();
    for resource in [&closed, &bounded, &open] {
        until(resource, "ok").await;
        assert!(is_accepted(resource, &tokens).await);
    }
}

#[tokio::test]
async fn a_feed_that_hangs_is_given_up() {
    let deployment = Deployment::start(1).await;
    let proxy = Proxy::to(deployment.auth[0].addr(0).to_string());
    let (process, resource) = deployment.resource_service(&proxy.addr().to_string(), &[]).await;
    proxy.freeze();
    until(&resource, "unavailable").await;
    process.log_with("it fell silent");
    proxy.mend();
    until(&resource, "ok").await;
}

#[tokio::test]
async fn a_client_that_may_not_listen_is_said_to() {
    let deployment = Deployment::start(1).await;
    let addr = deployment.auth[0].addr(0).to_string();
    let (jwks_url, url) =
        (format!("http://{addr}/.well-known/jwks.json"), format!("http://{addr}/revocations"));
    let env = [
        ("ISSUER", ISSUER),
        ("JWKS_URL", jwks_url.as_str()),
        ("REVOCATIONS_URL", &url),
        ("REVOCATIONS_CLIENT_ID", "resource-service"),
        ("REVOCATIONS_CLIENT_SECRET", "hunter2-is-not-it"),
    ];
    let process = Process::start(&program("resource-service"), 1, &env);
    let log = process.log_with("cannot follow the revocations at");
    assert!(log.contains("401 Unauthorized") && !log.contains("hunter2"), "{log}");
    let env = [("REVOCATIONS_CLIENT_ID", "resource-service")];
    let command = Command::new(program("resource-service")).env_clear().envs(env).output().unwrap();
    let errors = String::from_utf8(command.stderr).unwrap();
    assert!(!command.status.success() && errors.contains("revocations-client-secret"), "{errors}");
}
