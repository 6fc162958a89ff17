//! The grace period of a rotation: retries from elsewhere, and outages.

use std::time::{Duration, Instant};

use crate::support::{TestApp, on_both_stores};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, RedisServer, claims_of, wait_until};

impl TestApp {
    async fn refresh_as(&self, user_agent: &str, refresh: &str) -> Answer {
        let request = self.request(Method::POST, "/token/refresh").header("user-agent", user_agent);
        self.send(request.json(&json!({"refresh": refresh}))).await
    }

    /// Returns user agent and detail of each event of this name.
    fn events_named(&self, name: &str) -> Vec<(String, String)> {
        let field = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let events = self.audit(&["--event", name]);
        events.iter().map(|event| (field(event, "user_agent"), field(event, "detail"))).collect()
    }
}

#[apply(on_both_stores)]
async fn thief_in_step_with_the_owner_is_audited_and_ends_the_session(app: TestApp) {
    app.register("ada").await;
    let mut refresh = app.login("ada").await.tokens().refresh;
    for generation in 1..=2 {
        let owner = app.refresh_as("owner", &refresh).await.tokens();
        let thief = app.refresh_as("thief", &refresh).await.tokens();
        assert_eq!(claims_of(&thief.refresh)["gen"], generation);
        wait_until("the retry is in the audit trail", async || {
            app.events_named("refresh_retried_elsewhere").len() == generation
        })
        .await;
        refresh = owner.refresh;
    }
    let expected = ("thief".to_owned(), "generation 1 was issued again".to_owned());
    assert_eq!(app.events_named("refresh_retried_elsewhere")[0], expected);

    let owner = app.refresh_as("owner", &refresh).await.tokens();
    app.refresh_as("thief", &refresh).await.assert_problem(401, "token_not_valid");
    app.refresh_as("owner", &owner.refresh).await.assert_problem(401, "token_not_valid");
    app.get("/me", Some(&owner.access)).await.assert_problem(401, "token_not_valid");
    let reuse = app.events_named("refresh_reuse");
    assert!(matches!(&*reuse, [(_, detail)] if detail.contains("in step")), "{reuse:?}");
}

#[apply(on_both_stores)]
async fn tabs_of_one_browser_refresh_in_step(app: TestApp) {
    app.register("ada").await;
    let mut refresh = app.login("ada").await.tokens().refresh;
    for _ in 0..5 {
        let first = app.refresh_as("browser", &refresh).await.tokens();
        for _ in 0..2 {
            assert_eq!(app.refresh_as("browser", &refresh).await.status, 200);
        }
        refresh = first.refresh;
    }
    assert_eq!(app.events_named("refresh_retried_elsewhere"), []);
}

#[actix_web::test]
async fn client_may_change_its_address_within_its_network() {
    let app = TestApp::embedded_with(&["--proxy-hops=1"]).await;
    app.register("ada").await;
    let mut refresh = app.login("ada").await.tokens().refresh;
    let from = async |address: &str, refresh: &str| {
        let request = app.request(Method::POST, "/token/refresh");
        let request = request.header("x-forwarded-for", address);
        app.send(request.json(&json!({"refresh": refresh}))).await.tokens()
    };
    for (first, second) in [
        ("198.51.100.1", "198.51.100.2"),
        ("2001:db8::1", "2001:db8::2"),
        ("198.51.100.1", "198.51.100.200"),
        ("198.51.100.1", "203.0.113.1"),
    ] {
        assert_eq!(app.events_named("refresh_retried_elsewhere"), []);
        let next = from(first, &refresh).await;
        from(second, &refresh).await;
        refresh = next.refresh;
    }
    wait_until("the last retry is in the audit trail", async || {
        app.events_named("refresh_retried_elsewhere").len() == 1
    })
    .await;
}

#[actix_web::test]
async fn lost_answer_is_given_again_after_an_outage_of_redis() {
    const GRACE: Duration = Duration::from_secs(3);
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &["--refresh-grace=3"]).await;
    let replica = app.replica().await;
    replica.wait_for_status("/readyz", 200).await;
    let lost = app.new_user("ada").await;
    let rotated = app.refreshed(&lost.refresh).await;
    let stolen = app.login("ada").await.tokens();
    let newest = app.refreshed(&app.refreshed(&stolen.refresh).await.refresh).await;

    redis.stop();
    let began = Instant::now();
    wait_until("the outage is longer than the grace period", async || {
        app.refresh(&lost.refresh).await.assert_problem(503, "unavailable");
        began.elapsed() > GRACE + Duration::from_secs(1)
    })
    .await;
    redis.restart();
    // The replica did not rotate the token, and notices the outage by itself.
    replica.wait_for_status("/readyz", 200).await;
    let again = replica.refreshed(&lost.refresh).await;
    assert_eq!(claims_of(&again.refresh)["gen"], claims_of(&rotated.refresh)["gen"]);
    // A token that was rotated twice has no grace period.
    app.refresh(&stolen.refresh).await.assert_problem(401, "token_not_valid");
    app.refresh(&newest.refresh).await.assert_problem(401, "token_not_valid");
    // The grace period ends once refreshes are answered again.
    app.advance(GRACE.as_secs());
    app.refresh(&lost.refresh).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn lost_answer_is_given_again_after_the_only_process_was_away() {
    let app = TestApp::embedded().await;
    let lost = app.new_user("ada").await;
    let rotated = app.refreshed(&lost.refresh).await;
    app.advance(3600);
    // A process that starts now on the same data.
    let restarted = app.replica().await;
    restarted.wait_for_status("/readyz", 200).await;
    let again = restarted.refreshed(&lost.refresh).await;
    assert_eq!(claims_of(&again.refresh)["gen"], claims_of(&rotated.refresh)["gen"]);
    app.advance(10);
    restarted.refresh(&lost.refresh).await.assert_problem(401, "token_not_valid");
}
