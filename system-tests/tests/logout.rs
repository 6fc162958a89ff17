//! Logged out means logged out, everywhere: processes of resource-service that follow the revocations of auth-service.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use system_tests::{Deployment, ISSUER};
use test_support::{Client, Process, Proxy, Tokens, program};

/// Waits until it follows the revocations, or does not.
async fn until(resource: &Client, revocations: &str) {
    resource.until_json("/readyz", &[("revocations", revocations), ("keys", "ok")]).await;
}

async fn is_accepted(resource: &Client, tokens: &Tokens) -> bool {
    let answer = resource.get("/whoami", Some(&tokens.access)).await;
    if answer.status != 200 {
        answer.assert_problem(401, "token_not_valid");
    }
    answer.status == 200
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

#[tokio::test]
async fn what_was_missed_while_the_feed_was_cut_is_refused_once_it_is_back() {
    let deployment = Deployment::start(1).await;
    let auth = deployment.client(0);
    let proxy = Proxy::to(deployment.auth[0].addr(0).to_string());
    let (process, resource) = deployment.resource_service(&proxy.addr().to_string(), &[]).await;
    auth.new_user("ada").await;
    let before = auth.login("ada").await.tokens();
    assert_eq!(auth.logout(&before).await.status, 204);
    let kept = auth.login("ada").await.tokens();
    let tokens: Vec<Tokens> =
        stream::iter(0..200).map(|_| async { auth.login("ada").await.tokens() }).buffered(4).collect().await;

    proxy.cut();
    until(&resource, "unavailable").await;
    process.log_with("cannot follow the revocations at");
    for tokens in &tokens {
        assert_eq!(auth.logout(tokens).await.status, 204);
    }
    assert!(is_accepted(&resource, &tokens[0]).await, "until it expires, as the policy has it");

    proxy.mend();
    until(&resource, "ok").await;
    for tokens in tokens.iter().chain([&before]) {
        assert!(!is_accepted(&resource, tokens).await);
    }
    assert!(is_accepted(&resource, &kept).await);
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
