//! `REFRESH_ROTATION=off`: clients that keep their first refresh token.

use crate::support::{TestApp, on_both_stores, settings};
use rstest_reuse::apply;
use serde_json::json;
use test_support::{Client, Process, claims_of, temp_dir, wait_until};

impl TestApp {
    /// Starts another replica that does not rotate refresh tokens.
    async fn without_rotation(&self) -> Client {
        let replica = self.replica_with(|settings| settings.refresh_rotation = false).await;
        replica.wait_for_status("/readyz", 200).await;
        replica
    }
}

/// Refreshes, and returns the new access token. Asserts that there is no new refresh token.
async fn access_from(client: &Client, refresh: &str) -> String {
    let answer = client.refresh(refresh).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let members: Vec<&String> = answer.json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access"]);
    answer.json["access"].as_str().unwrap().to_owned()
}

#[apply(on_both_stores)]
async fn refresh_token_stays_valid_until_it_expires(app: TestApp) {
    let client = app.without_rotation().await;
    let tokens = client.new_user("ada").await;
    for _ in 0..3 {
        app.advance(2 * 24 * 3600);
        let access = access_from(&client, &tokens.refresh).await;
        assert_eq!(client.get("/me", Some(&access)).await.status, 200);
        assert_eq!(claims_of(&access)["sid"], claims_of(&tokens.access)["sid"]);
    }
    app.advance(24 * 3600);
    client.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn refresh_token_ends_with_its_session(app: TestApp) {
    let client = app.without_rotation().await;
    let tokens = client.new_user("ada").await;
    let access = access_from(&client, &tokens.refresh).await;
    assert_eq!(client.logout(&tokens).await.status, 204);
    client.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    client.get("/me", Some(&access)).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn oauth_token_returns_no_refresh_token(app: TestApp) {
    let client = app.without_rotation().await;
    let tokens = client.new_user("ada").await;
    for _ in 0..2 {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh)];
        let request = client.request(reqwest::Method::POST, "/oauth/token").form(&form);
        let answer = client.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            (&answer.json["token_type"], answer.json.get("refresh_token")),
            (&json!("Bearer"), None)
        );
    }
}

#[apply(on_both_stores)]
async fn sessions_survive_a_change_of_the_setting(app: TestApp) {
    let off = app.without_rotation().await;
    // From on to off, also for a client whose last answer was lost.
    let first = app.new_user("ada").await;
    let second = app.refreshed(&first.refresh).await;
    access_from(&off, &first.refresh).await;
    app.advance(60);
    access_from(&off, &first.refresh).await;
    access_from(&off, &second.refresh).await;
    // From off to on.
    let third = app.refreshed(&second.refresh).await;
    app.advance(60);
    app.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
    off.refresh(&third.refresh).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn access_tokens_carry_changed_claims(app: TestApp) {
    let client = app.without_rotation().await;
    let tokens = client.new_user("ada").await;
    assert!(app.cli(&["users", "grant", "ada", "--role", "editor"]).status.success());
    wait_until("the access token carries the role", async || {
        claims_of(&access_from(&client, &tokens.refresh).await)["roles"] == json!(["editor"])
    })
    .await;
    // The refresh token itself does not change.
    let access = access_from(&client, &tokens.refresh).await;
    assert_eq!(claims_of(&access)["roles"], json!(["editor"]));
}

#[actix_web::test]
async fn log_line_of_a_reuse_names_the_setting() {
    let folder = temp_dir();
    let env = [
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("BCRYPT_COST", "10"),
        ("REFRESH_GRACE", "0"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    let tokens = client.new_user("ada").await;
    client.refreshed(&tokens.refresh).await;
    client.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    let log = process.wait_for_log("refresh token reuse");
    assert!(log.contains("REFRESH_ROTATION=off"), "{log}");
}

#[test]
fn rotation_is_on_by_default() {
    assert!(settings(&[]).refresh_rotation);
    assert!(!settings(&["--refresh-rotation=off"]).refresh_rotation);
}
