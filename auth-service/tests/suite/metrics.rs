//! The metrics of auth-service.

use crate::support::{TestApp, on_both_stores};
use rstest_reuse::apply;
use test_support::{Client, RedisServer, wait_until};

/// Returns the value of a metric, which must exist.
pub async fn metric(app: &Client, name: &str) -> f64 {
    let value = metric_if_any(app, name).await;
    value.unwrap_or_else(|| panic!("no metric {name}"))
}

/// Returns the value of a metric, or `None` if the metric does not exist.
async fn metric_if_any(app: &Client, name: &str) -> Option<f64> {
    let answer = app.request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

/// Returns the number of refreshes of each outcome that has occurred.
async fn refresh_counts(app: &Client) -> Vec<(&'static str, f64)> {
    let mut counts = Vec::new();
    for outcome in [
        "rotated",
        "retried",
        "retried_elsewhere",
        "kept",
        "reused",
        "void",
        "revoked",
        "expired",
        "unknown",
        "unavailable",
    ] {
        let count = metric(app, &format!("auth_refreshes_total{{outcome=\"{outcome}\"}}")).await;
        if count > 0.0 {
            counts.push((outcome, count));
        }
    }
    counts
}

#[apply(on_both_stores)]
async fn refreshes_are_counted_by_outcome(app: TestApp) {
    assert_eq!(refresh_counts(&app).await, []);
    let first = app.new_user("ada").await;
    app.refreshed(&first.refresh).await;
    app.refreshed(&first.refresh).await;
    assert_eq!(refresh_counts(&app).await, [("rotated", 1.0), ("retried", 1.0)]);
    app.advance(60);
    assert_eq!(app.refresh(&first.refresh).await.status, 401);
    assert_eq!(app.refresh(&first.refresh).await.status, 401);
    assert_eq!(app.refresh("nonsense").await.status, 401);
    let idle = app.login("ada").await.tokens();
    app.advance(8 * 24 * 60 * 60);
    assert_eq!(app.refresh(&idle.refresh).await.status, 401);
    assert_eq!(
        refresh_counts(&app).await,
        [
            ("rotated", 1.0),
            ("retried", 1.0),
            ("reused", 1.0),
            ("revoked", 1.0),
            ("expired", 1.0),
            ("unknown", 1.0),
        ]
    );
    assert_eq!(metric(&app, "auth_sessions_ended_total{cause=\"refresh_reuse\"}").await, 1.0);
}

#[apply(on_both_stores)]
async fn logins_and_ended_sessions_are_counted_by_cause(app: TestApp) {
    let tokens = app.new_user("ada").await;
    app.login("ada").await;
    app.login("ada").await;
    app.login_with("ada", "wrong").await;
    app.login("unknown").await;
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

#[actix_web::test]
async fn unknown_paths_and_methods_share_a_label() {
    let app = TestApp::embedded().await;
    for path in ["/nowhere", "/elsewhere", "/login/"] {
        app.get(path, None).await;
    }
    app.send(app.request(reqwest::Method::from_bytes(b"BREW").unwrap(), "/login")).await;
    assert_eq!(
        metric(&app, "http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}").await,
        2.0
    );
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
async fn refreshes_during_a_redis_outage_are_counted() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;
    assert_eq!(metric(&app, "auth_blacklist_in_sync").await, 1.0);
    redis.stop();
    assert_eq!(app.refresh(&tokens.refresh).await.status, 503);
    assert_eq!(refresh_counts(&app).await, [("unavailable", 1.0)]);
    assert_eq!(metric(&app, "auth_blacklist_in_sync").await, 0.0);
}

#[actix_web::test]
async fn age_of_the_key_and_time_to_the_next_key_are_measured() {
    let app = TestApp::deployed().await;
    let age = "auth_signing_key_age_seconds";
    let next = "auth_signing_key_next_seconds";
    assert!(metric(&app, age).await < 100.0);
    assert_eq!(metric_if_any(&app, next).await, None);
    assert!(app.cli(&["keys", "rotate"]).status.success());
    let seconds =
        wait_until("the next key is loaded", async || metric_if_any(&app, next).await).await;
    assert!((500.0..=600.0).contains(&seconds), "{seconds}");
    app.advance(700);
    assert!((90.0..300.0).contains(&metric(&app, age).await));
    assert_eq!(metric_if_any(&app, next).await, None);
}

#[actix_web::test]
async fn database_failures_and_silence_of_the_feed_are_measured() {
    let (app, proxy) =
        TestApp::with_proxy(&["--database-timeout=1", "--database-pool-size=3"]).await;
    assert_eq!(metric(&app, "auth_database_connections_max").await, 3.0);
    assert_eq!(metric(&app, "auth_database_failures_total{kind=\"no_answer\"}").await, 0.0);
    app.new_user("ada").await;
    assert!(metric(&app, "auth_database_connections{state=\"idle\"}").await > 0.0);
    proxy.blackhole_all();
    app.login("ada").await.assert_problem(503, "unavailable");
    assert!(metric(&app, "auth_database_failures_total{kind=\"no_answer\"}").await > 0.0);
    let silence = |source: &str| format!("auth_revocations_silence_seconds{{source=\"{source}\"}}");
    // The stream goes on: each message of Redis sets its silence to zero.
    wait_until("the database is silent for 4 s, and the stream is not", async || {
        let database = metric(&app, &silence("database")).await;
        database >= 4.0 && metric(&app, &silence("stream")).await < database - 2.0
    })
    .await;
}
