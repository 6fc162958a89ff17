//! Audiences: a token for one service controls neither the account nor other services.

use crate::support::{
    TestApp,
    oauth::{Credentials, assert_error, credentials, text},
    on_both_stores,
};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, claims_of};

const PASSWORD: &str = "correct horse battery";
const TWO_SERVICES: &str = "--audience=api,reports";

/// Routes that read or change the account of the token's user.
fn account_routes(sid: &str) -> [(Method, String); 5] {
    [
        (Method::GET, "/me".into()),
        (Method::GET, "/sessions".into()),
        (Method::DELETE, format!("/sessions/{sid}")),
        (Method::POST, "/password".into()),
        (Method::POST, "/logout/all".into()),
    ]
}

impl TestApp {
    async fn log_in_for(&self, audience: Value) -> Answer {
        let body = json!({"username": "ada", "password": PASSWORD, "audience": audience});
        self.post("/login", body).await
    }
}

fn audience_of(token: &str) -> Value {
    claims_of(token)["aud"].clone()
}

#[track_caller]
fn assert_invalid_target(answer: &Answer) {
    answer.assert_problem(400, "invalid_target");
    let message = json!(["The token may not be for this audience."]);
    assert_eq!([&answer.json["audience"], &answer.json["errors"]["audience"]], [&message; 2]);
}

#[actix_web::test]
async fn token_of_a_service_does_not_control_the_account() {
    let app = TestApp::embedded_with(&[TWO_SERVICES]).await;
    let all = app.new_user("ada").await;
    assert_eq!(audience_of(&all.access), json!(["api", "reports", app.issuer]));
    let narrow = app.log_in_for(json!("reports")).await.tokens();
    assert_eq!(audience_of(&narrow.access), "reports");
    let sid = claims_of(&all.access)["sid"].as_str().unwrap().to_owned();
    for (method, path) in account_routes(&sid) {
        let body = json!({"old_password": PASSWORD, "new_password": "a better horse battery"});
        let request = app.request(method, &path).bearer_auth(&narrow.access).json(&body);
        let answer = app.send(request).await;
        answer.assert_problem(401, "token_not_valid");
        assert_eq!(answer.json["detail"], "The token is for another audience.", "{path}");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    // Nothing has changed.
    assert_eq!(app.get("/me", Some(&all.access)).await.status, 200);
    assert_eq!(app.login_with("ada", PASSWORD).await.status, 200);

    // A token for the account alone is not for the services.
    let account = app.log_in_for(json!([app.issuer])).await.tokens();
    assert_eq!(audience_of(&account.access), app.issuer);
    assert_eq!(app.get("/me", Some(&account.access)).await.status, 200);
    let answer = app.get("/auth/verify", Some(&account.access)).await;
    answer.assert_problem(401, "token_not_valid");
    // Each is a valid token, and its session can be ended.
    for tokens in [&narrow, &account] {
        let answer = app.post("/token/verify", json!({"token": tokens.access})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(app.logout(tokens).await.status, 204);
        app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    }
}

/// RFC 8707 section 2.2: a refresh asks for a part of the original grant.
#[apply(on_both_stores)]
async fn session_keeps_the_audiences_of_its_login(app: TestApp) {
    let two = vec!["api".into(), "b".into()];
    let app = app.replica_with(|settings| settings.audience = two).await;
    app.wait_for_status("/readyz", 200).await;
    app.register("ada").await;
    let login = async |audience: Value| {
        let body = json!({"username": "ada", "password": PASSWORD, "audience": audience});
        app.post("/login", body).await
    };
    let refresh = async |refresh: &str, audience: Value| {
        app.post("/token/refresh", json!({"refresh": refresh, "audience": audience})).await
    };
    let first = login(json!(["b", "api"])).await.tokens();
    assert_eq!(audience_of(&first.access), json!(["api", "b"]));
    let second = refresh(&first.refresh, json!("b")).await.tokens();
    assert_eq!(audience_of(&second.access), "b");
    // The smaller audience was for that access token only.
    let third = app.refreshed(&second.refresh).await;
    assert_eq!(audience_of(&third.access), json!(["api", "b"]));
    let issuer = claims_of(&third.access)["iss"].clone();
    for more in [issuer.clone(), json!("other"), json!(["api", "other"]), json!("")] {
        assert_invalid_target(&refresh(&third.refresh, more).await);
    }
    for malformed in [json!([]), json!(1), json!({"a": 1}), json!([1]), Value::Null] {
        refresh(&third.refresh, malformed.clone()).await.assert_fields(&["audience"]);
        login(malformed).await.assert_fields(&["audience"]);
    }
    // The refusals have not rotated the token.
    assert_eq!(claims_of(&app.refreshed(&third.refresh).await.refresh)["gen"], 3);
    // A login may ask for everything, and for nothing else.
    assert_invalid_target(&login(json!("other")).await);
    let all = login(json!([issuer, "api", "b"])).await.tokens();
    assert_eq!(audience_of(&all.access), json!(["api", "b", issuer]));
}

#[actix_web::test]
async fn audience_that_left_the_settings_is_no_longer_granted() {
    let app = TestApp::embedded_with(&[TWO_SERVICES]).await;
    app.register("ada").await;
    let both = app.log_in_for(json!(["api", "reports"])).await.tokens();
    let only = app.log_in_for(json!("reports")).await.tokens();
    let all = app.login("ada").await.tokens();
    let changed = app.replica_with(|settings| settings.audience = vec!["api".into()]).await;
    let access = changed.refreshed(&both.refresh).await.access;
    assert_eq!(audience_of(&access), "api");
    let access = changed.refreshed(&all.refresh).await.access;
    assert_eq!(audience_of(&access), json!(["api", app.issuer]));
    assert_invalid_target(&changed.refresh(&only.refresh).await);
    // The session is alive where the audience is in the settings.
    app.refreshed(&only.refresh).await;
}

#[actix_web::test]
async fn resource_narrows_the_tokens_of_oauth_clients() {
    let app = TestApp::embedded_with(&[TWO_SERVICES]).await;
    let refresh = app.new_user("ada").await.refresh;
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let resource = |names: &[&'static str]| {
        let names = names.iter().map(|name| ("resource", *name));
        grant.into_iter().chain(names).collect::<Vec<_>>()
    };
    for refused in [&["other"][..], &["reports", "other"], &["https://api.example/#x"]] {
        let answer = app.oauth("/oauth/token", &resource(refused), None).await;
        assert_error(&answer, 400, "invalid_target");
    }
    let answer = app.oauth("/oauth/token", &resource(&["reports", "api"]), None).await;
    assert_eq!(audience_of(&text(&answer, "access_token")), json!(["api", "reports"]));

    // A client has its own list of audiences.
    let own = app.client("of-the-settings", &[]);
    let create = ["clients", "create", "mailer", "--token-audience=mail", "--token-audience=sms"];
    let mailer = credentials(&app.cli(&create));
    let ask = async |client: &Credentials, names: &[&'static str]| {
        let grant = [("grant_type", "client_credentials")].into_iter();
        let form: Vec<_> = grant.chain(names.iter().map(|name| ("resource", *name))).collect();
        app.oauth("/oauth/token", &form, Some(client)).await
    };
    for (client, names, expected) in [
        (&own, &[][..], json!(["api", "reports"])),
        (&own, &["api"], json!("api")),
        (&mailer, &[], json!(["mail", "sms"])),
        (&mailer, &["sms"], json!("sms")),
    ] {
        let answer = ask(client, names).await;
        assert_eq!(audience_of(&text(&answer, "access_token")), expected, "{answer:?}");
    }
    for (client, name) in [(&own, "mail"), (&mailer, "api")] {
        assert_error(&ask(client, &[name]).await, 400, "invalid_target");
    }
}

/// A client's token may be for services that are not in AUDIENCE.
#[apply(on_both_stores)]
async fn token_for_another_service_is_introspected_and_revoked(app: TestApp) {
    let create = ["clients", "create", "mailer", "--token-audience=mail"];
    let mailer = credentials(&app.cli(&create));
    let token = app.client_token(&mailer).await;
    assert_eq!(app.introspect(&token, &mailer).await["aud"], "mail");
    // Routes for the services of AUDIENCE refuse it.
    let verified = app.post("/token/verify", json!({"token": token})).await;
    verified.assert_problem(401, "token_not_valid");
    assert_eq!(verified.json["detail"], "The token is for another audience.");
    app.get("/auth/verify", Some(&token)).await.assert_problem(401, "token_not_valid");
    let allowed = app.get("/auth/verify?audience=mail", Some(&token)).await;
    assert_eq!((allowed.status, allowed.header("x-auth-subject")), (200, "mailer"));

    assert_eq!(app.revoke(&token, Some(&mailer)).await.status, 200);
    assert_eq!(app.introspect(&token, &mailer).await, json!({"active": false}));
}

#[actix_web::test]
async fn proxy_names_the_audience_of_the_service_behind_it() {
    let app = TestApp::embedded_with(&[TWO_SERVICES]).await;
    app.register("ada").await;
    let reports = app.log_in_for(json!("reports")).await.tokens().access;
    let all = app.login("ada").await.tokens().access;
    for (query, access, status) in [
        ("", &reports, 200),
        ("?audience=reports", &reports, 200),
        ("?audience=api&audience=reports", &reports, 200),
        ("?audience=api", &reports, 401),
        ("?audience=api", &all, 200),
        ("?audience=other", &all, 401),
        ("?audience=", &all, 400),
    ] {
        let answer = app.get(&format!("/auth/verify{query}"), Some(access)).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
}
