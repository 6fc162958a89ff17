//! OAuth 2.0 clients: revocation and introspection of tokens, management of clients, and outages.

use crate::support::{
    TestApp,
    oauth::{assert_error, credentials},
    on_both_stores,
};
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{RedisServer, claims_of};

#[apply(on_both_stores)]
async fn revoked_token_is_rejected(app: TestApp) {
    let client = app.client("reports-api", &[]);
    for by_access in [false, true] {
        let name = format!("user{}", u8::from(by_access));
        let tokens = app.new_user(&name).await;
        let other = app.login(&name).await.tokens();
        let token = if by_access { &tokens.access } else { &tokens.refresh };
        for _ in 0..2 {
            let answer = app.revoke(token, None).await;
            assert_eq!((answer.status, answer.json), (200, Value::Null));
        }
        app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
        app.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
        assert_eq!(app.introspect(&tokens.access, &client).await, json!({"active": false}));
        app.refreshed(&other.refresh).await;
    }
}

#[apply(on_both_stores)]
async fn client_token_is_revoked_only_by_its_client(app: TestApp) {
    let owner = app.client("owner", &["read"]);
    let other = app.client("other", &[]);
    let token = app.client_token(&owner).await;
    let kept = app.client_token(&owner).await;
    assert_error(&app.revoke(&token, None).await, 401, "invalid_client");
    assert_error(&app.revoke(&token, Some(&other)).await, 400, "unauthorized_client");
    assert_eq!(app.introspect(&token, &other).await["active"], true);
    assert_eq!(app.revoke(&token, Some(&owner)).await.status, 200);
    assert_eq!(app.revoke(&token, Some(&owner)).await.status, 200);
    assert_eq!(app.introspect(&token, &other).await, json!({"active": false}));
    assert_eq!(app.introspect(&kept, &other).await["active"], true);
    app.post("/token/verify", json!({"token": token})).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn introspection_returns_the_claims_of_a_valid_token(app: TestApp) {
    let client = app.client("gateway", &["read"]);
    app.new_user("ada").await;
    let granted = app.cli(&["users", "grant", "ada", "--scope", "read", "--role", "editor"]);
    assert!(granted.status.success(), "{granted:?}");
    let tokens = app.login("ada").await.tokens();
    let claims = claims_of(&tokens.access);
    let common = |claims: &Value| {
        json!({
            "active": true, "iss": app.issuer, "sub": claims["sub"], "aud": claims["aud"],
            "exp": claims["exp"],
            "iat": claims["iat"], "jti": claims["jti"], "sid": claims["sid"], "scope": "read",
        })
    };
    let mut expected = common(&claims);
    expected["client_id"] = json!("first-party");
    expected["username"] = json!("ada");
    expected["roles"] = json!(["editor"]);
    expected["token_type"] = json!("Bearer");
    assert_eq!(app.introspect(&tokens.access, &client).await, expected);
    let own = app.client_token(&client).await;
    let mut expected = common(&claims_of(&own));
    expected["client_id"] = json!("gateway");
    expected["token_type"] = json!("Bearer");
    assert_eq!(app.introspect(&own, &client).await, expected);

    let inactive = json!({"active": false});
    // A proxy takes an active token for an access token, and a refresh token is none.
    for hint in ["access_token", "refresh_token", "unknown"] {
        let form = [("token", tokens.refresh.as_str()), ("token_type_hint", hint)];
        let answer = app.oauth("/oauth/introspect", &form, Some(&client)).await;
        assert_eq!((answer.status, answer.json), (200, inactive.clone()));
    }
    for token in ["nonsense", "a.b.c", &format!("{}x", tokens.access), &"x".repeat(60_000)] {
        assert_eq!(app.introspect(token, &client).await, inactive);
    }
    app.advance(301);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200, "within the leeway");
    assert_eq!(app.introspect(&tokens.access, &client).await, inactive);
}

#[apply(on_both_stores)]
async fn clients_are_created_listed_changed_and_deleted(app: TestApp) {
    let first = app.client("billing-job", &["write", "read", "read"]);
    let token = app.client_token(&first).await;
    let asking = app.client("asking", &[]);
    let refused_with = |code: i32, args: &[&str]| {
        let output = app.cli(args);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let refused = |args: &[&str]| refused_with(1, args);
    assert!(
        refused(&["clients", "create", "billing-job"])
            .contains("the client billing-job exists already")
    );
    let file = app.folder.path().join("client.secret");
    let in_file = ["clients", "create", "in-file", "--secret-file", file.to_str().unwrap()];
    for expected in ["Created in-file", "in-file exists already"] {
        let output = String::from_utf8(app.cli(&in_file).stdout).unwrap();
        assert!(output.starts_with(expected), "{output}");
    }
    let secret = ("in-file".to_owned(), std::fs::read_to_string(&file).unwrap());
    app.client_token(&secret).await;
    assert!(app.cli(&["clients", "delete", "in-file"]).status.success());
    assert!(
        refused(&["clients", "delete", "unknown"]).contains("the client unknown does not exist")
    );
    assert!(
        refused(&["clients", "rotate-secret", "unknown"])
            .contains("the client unknown does not exist")
    );
    for bad in ["a b", "first-party", "0190163d-8694-739b-aea5-966c26f8ad91"] {
        assert!(refused_with(2, &["clients", "create", bad]).contains("must "));
    }
    let bad_scope = ["clients", "create", "x", "--scope", "a b"];
    assert!(refused_with(2, &bad_scope).contains("--scope"));
    let scopes: Vec<String> = (0..30).map(|number| format!("{number:0>80}")).collect();
    let mut create = vec!["clients", "create", "x"];
    create.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
    assert!(refused(&create).contains("the scopes are longer than 2000 bytes"));

    let list = String::from_utf8(app.cli(&["clients", "list"]).stdout).unwrap();
    assert!(
        list.lines().count() == 3
            && list.contains("billing-job")
            && list.contains("  read write\n"),
        "{list}"
    );
    assert!(!list.contains(&first.1));

    let second = credentials(&app.cli(&["clients", "rotate-secret", "billing-job"]));
    assert_ne!(first.1, second.1);
    let form = [("grant_type", "client_credentials")];
    app.wait_for_token_status(&second, 200).await;
    assert_error(&app.oauth("/oauth/token", &form, Some(&first)).await, 401, "invalid_client");

    assert!(app.cli(&["clients", "delete", "billing-job"]).status.success());
    app.wait_for_token_status(&second, 401).await;
    assert_eq!(app.introspect(&token, &asking).await, json!({"active": false}));
    // A new client of that name does not revive the token.
    app.advance(2);
    app.client("billing-job", &[]);
    assert_eq!(app.introspect(&token, &asking).await, json!({"active": false}));
}

#[actix_web::test]
async fn recently_seen_client_works_during_a_database_outage() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let client = app.client("gateway", &["read"]);
    let tokens = app.new_user("ada").await;
    assert_eq!(app.introspect(&tokens.access, &client).await["active"], true);
    proxy.cut();
    let form = [("grant_type", "client_credentials")];
    assert_eq!(app.oauth("/oauth/token", &form, Some(&client)).await.status, 200);
    assert_eq!(app.introspect(&tokens.access, &client).await["active"], true);
    let never_seen = ("other".to_owned(), "x".to_owned());
    let answer = app.oauth("/oauth/token", &form, Some(&never_seen)).await;
    assert_error(&answer, 503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    // The service must not acknowledge a revocation that is not durable.
    assert_error(&app.revoke(&tokens.refresh, None).await, 503, "temporarily_unavailable");
    assert_error(&app.revoke(&tokens.access, None).await, 503, "temporarily_unavailable");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)];
    assert_eq!(app.oauth("/oauth/token", &form, None).await.status, 200);
}

#[actix_web::test]
async fn introspection_is_unavailable_during_a_redis_outage() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let client = app.client("gateway", &["read"]);
    let tokens = app.new_user("ada").await;
    let revoked = app.login("ada").await.tokens();
    let own = app.client_token(&client).await;
    redis.stop();
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    assert_error(&app.oauth("/oauth/token", &form, None).await, 503, "temporarily_unavailable");
    // Introspection cannot tell whether the session of the token has ended.
    for token in [&tokens.access, &own] {
        let answer = app.oauth("/oauth/introspect", &[("token", token)], Some(&client)).await;
        assert_error(&answer, 503, "temporarily_unavailable");
    }
    assert_eq!(app.revoke(&revoked.access, None).await.status, 200);
    assert_eq!(app.revoke(&own, Some(&client)).await.status, 200);
    redis.restart();
    app.wait_for_status("/readyz", 200).await;
    app.refresh(&revoked.refresh).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.introspect(&own, &client).await, json!({"active": false}));
}
