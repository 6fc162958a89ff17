//! What auth-service counts, as Prometheus reads it.

use std::time::{Duration, Instant};

use crate::support::TestApp;
use test_support::{Client, RedisServer};

/// What `/metrics` says of this, which must be there.
async fn metric(app: &Client, name: &str) -> f64 {
    let value = metric_if_any(app, name).await;
    value.unwrap_or_else(|| panic!("there is no {name}"))
}

/// The same of what may have nothing to tell.
async fn metric_if_any(app: &Client, name: &str) -> Option<f64> {
    let answer = app.request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

async fn refreshes(app: &Client) -> Vec<(&'static str, f64)> {
    let mut counts = Vec::new();
    for outcome in ["rotated", "retried", "reused", "revoked", "expired", "unknown", "unavailable"] {
        let count = metric(app, &format!("auth_refreshes_total{{outcome=\"{outcome}\"}}")).await;
        if count > 0.0 {
            counts.push((outcome, count));
        }
    }
    counts
}

on_both! {
    async fn a_lost_answer_and_a_theft_are_told_apart(app: TestApp) {
        assert_eq!(refreshes(&app).await, []);
        let first = app.new_user("ada").await;
        app.refreshed(&first.refresh).await;
        app.refreshed(&first.refresh).await;
        assert_eq!(refreshes(&app).await, [("rotated", 1.0), ("retried", 1.0)]);
        app.advance(60);
        assert_eq!(app.refresh(&first.refresh).await.status, 401);
        assert_eq!(app.refresh(&first.refresh).await.status, 401);
        assert_eq!(app.refresh("nonsense").await.status, 401);
        let idle = app.login("ada").await.tokens();
        app.advance(8 * 24 * 60 * 60);
        assert_eq!(app.refresh(&idle.refresh).await.status, 401);
        assert_eq!(refreshes(&app).await, [
            ("rotated", 1.0), ("retried", 1.0), ("reused", 1.0), ("revoked", 1.0), ("expired", 1.0), ("unknown", 1.0),
        ]);
        assert_eq!(metric(&app, "auth_sessions_ended_total{cause=\"refresh_reuse\"}").await, 1.0);
    }

    async fn logins_and_ends_of_sessions_are_counted_by_what_became_of_them(app: TestApp) {
        let tokens = app.new_user("ada").await;
        app.login("ada").await;
        app.login("ada").await;
        app.login_with("ada", "wrong").await;
        app.login("nobody").await;
        for _ in 0..2 {
            app.logout(&tokens).await;
        }
        let other = app.login("ada").await.tokens();
        let all = app.request(reqwest::Method::POST, "/logout/all").bearer_auth(&other.access);
        assert_eq!(app.send(all).await.status, 204);
        for (name, expected) in [
            ("auth_logins_total{result=\"succeeded\"}", 4.0),
            ("auth_logins_total{result=\"refused\"}", 2.0),
            ("auth_logins_total{result=\"busy\"}", 0.0),
            ("auth_sessions_ended_total{cause=\"logout\"}", 1.0),
            ("auth_sessions_ended_total{cause=\"logout_everywhere\"}", 3.0),
            ("auth_hash_queue", 0.0),
            ("auth_hash_wait_seconds_count", 7.0),
            ("auth_revocations_held", 4.0),
            ("auth_revocation_listeners", 0.0),
            ("http_requests_total{method=\"POST\",route=\"/login\",status=\"200\"}", 4.0),
            ("http_requests_total{method=\"POST\",route=\"/login\",status=\"401\"}", 2.0),
            ("http_request_duration_seconds_count{method=\"POST\",route=\"/login\"}", 6.0),
        ] {
            assert_eq!(metric(&app, name).await, expected, "{name}");
        }
    }
}

#[actix_web::test]
async fn what_clients_send_makes_no_metric_of_its_own() {
    let app = TestApp::embedded().await;
    for path in ["/nowhere", "/elsewhere", "/login/"] {
        app.get(path, None).await;
    }
    app.send(app.request(reqwest::Method::from_bytes(b"BREW").unwrap(), "/login")).await;
    assert_eq!(metric(&app, "http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}").await, 2.0);
    assert_eq!(
        metric(&app, "http_requests_total{method=\"GET\",route=\"/login\",status=\"405\"}").await,
        1.0
    );
    assert_eq!(
        metric(&app, "http_requests_total{method=\"other\",route=\"/login\",status=\"405\"}").await,
        1.0
    );
}

#[actix_web::test]
async fn refreshes_that_nobody_could_decide_on_are_counted_too() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;
    assert_eq!(metric(&app, "auth_blacklist_in_sync").await, 1.0);
    redis.stop();
    assert_eq!(app.refresh(&tokens.refresh).await.status, 503);
    assert_eq!(refreshes(&app).await, [("unavailable", 1.0)]);
    assert_eq!(metric(&app, "auth_blacklist_in_sync").await, 0.0);
}

#[actix_web::test]
async fn the_age_of_the_key_and_when_the_next_one_takes_over_are_told() {
    let app = TestApp::deployed().await;
    let (age, next) = ("auth_signing_key_age_seconds", "auth_signing_key_next_seconds");
    assert!(metric(&app, age).await < 100.0);
    assert_eq!(metric_if_any(&app, next).await, None);
    assert!(app.cli(&["keys", "rotate"]).status.success());
    let deadline = Instant::now() + Duration::from_secs(20);
    let seconds = loop {
        match metric_if_any(&app, next).await {
            Some(seconds) => break seconds,
            None => assert!(Instant::now() < deadline, "it does not see the next key"),
        }
    };
    assert!((500.0..=600.0).contains(&seconds), "{seconds}");
    app.advance(700);
    assert!((90.0..300.0).contains(&metric(&app, age).await));
    assert_eq!(metric_if_any(&app, next).await, None);
}

#[actix_web::test]
async fn what_the_database_fails_is_told_by_how_and_so_is_silence() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1", "--database-pool-size=3"]).await;
    assert_eq!(metric(&app, "auth_database_connections_max").await, 3.0);
    assert_eq!(metric(&app, "auth_database_failures_total{kind=\"no_answer\"}").await, 0.0);
    app.new_user("ada").await;
    assert!(metric(&app, "auth_database_connections{state=\"idle\"}").await > 0.0);
    proxy.blackhole_all();
    app.login("ada").await.assert_problem(503, "unavailable");
    assert!(metric(&app, "auth_database_failures_total{kind=\"no_answer\"}").await > 0.0);
    let silence = |source: &str| format!("auth_revocations_silence_seconds{{source=\"{source}\"}}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while metric(&app, &silence("database")).await < 4.0 {
        assert!(Instant::now() < deadline, "it hears of what ends from a database that is not there");
    }
    assert!(metric(&app, &silence("stream")).await < 4.0);
}
