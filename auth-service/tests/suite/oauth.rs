//! OAuth 2.0: grants and errors.

use crate::support::{
    TestApp,
    oauth::{assert_error, text},
    on_both_stores,
};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::claims_of;

#[apply(on_both_stores)]
async fn refresh_token_grant_returns_new_tokens(app: TestApp) {
    let first = app.new_user("ada").await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &first.refresh)];
    let answer = app.oauth("/oauth/token", &form, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let access = text(&answer, "access_token");
    let refresh = text(&answer, "refresh_token");
    let expected = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh,
    });
    assert_eq!(answer.json, expected);
    assert_eq!(claims_of(&access)["sid"], claims_of(&first.access)["sid"]);
    assert_eq!(claims_of(&refresh)["gen"], 1);
    assert_eq!(app.get("/me", Some(&access)).await.status, 200);
    // Both routes share the session: reuse of the first token ends the session.
    let second = app.refreshed(&refresh).await;
    app.advance(11);
    assert_error(&app.oauth("/oauth/token", &form, None).await, 400, "invalid_grant");
    app.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
}

/// RFC 6749 section 6: the service ensures that the refresh token was issued to the client.
#[apply(on_both_stores)]
async fn refresh_token_is_exchanged_only_by_the_client_that_it_was_issued_to(app: TestApp) {
    let client = app.client("reports-api", &["read"]);
    let tokens = app.new_user("ada").await;
    let grant = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let with = |name, value| [&grant[..], &[(name, value)]].concat();
    let answer = app.oauth("/oauth/token", &grant, Some(&client)).await;
    assert_error(&answer, 400, "invalid_grant");
    assert_eq!(answer.json["error_description"], "The refresh token was issued to another client.");
    let in_body = [&with("client_id", &client.0)[..], &[("client_secret", &client.1)]].concat();
    assert_error(&app.oauth("/oauth/token", &in_body, None).await, 400, "invalid_grant");
    // A registered client must authenticate, and an unknown id is no public client.
    for id in ["reports-api", "unknown"] {
        let answer = app.oauth("/oauth/token", &with("client_id", id), None).await;
        assert_error(&answer, 401, "invalid_client");
    }
    // The refusals have changed nothing: the first exchange is the first rotation.
    let answer = app.oauth("/oauth/token", &with("client_id", "first-party"), None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(claims_of(&text(&answer, "refresh_token"))["gen"], 1);
}

#[apply(on_both_stores)]
async fn narrower_scope_is_granted_and_wider_scope_is_rejected(app: TestApp) {
    app.new_user("ada").await;
    let granted = app.cli(&["users", "grant", "ada", "--scope", "read", "--scope", "write"]);
    assert!(granted.status.success(), "{granted:?}");
    let mut refresh = app.login("ada").await.tokens().refresh;
    for (wanted, granted) in
        [(None, "read write"), (Some("read"), "read"), (Some("write read"), "write read")]
    {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        form.extend(wanted.map(|wanted| ("scope", wanted)));
        let answer = app.oauth("/oauth/token", &form, None).await;
        assert_eq!(
            (answer.status, answer.json["scope"].as_str()),
            (200, Some(granted)),
            "{answer:?}"
        );
        assert_eq!(claims_of(&text(&answer, "access_token"))["scope"], granted);
        // The new refresh token keeps the full scope (RFC 6749 section 6).
        refresh = text(&answer, "refresh_token");
        assert_eq!(claims_of(&refresh)["scope"], "read write");
    }
    for wanted in ["admin", "read admin", "read  write", "\"", "ä"] {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", wanted)];
        assert_error(&app.oauth("/oauth/token", &form, None).await, 400, "invalid_scope");
    }
    // The rejected requests have not rotated the token.
    assert_eq!(claims_of(&app.refreshed(&refresh).await.refresh)["gen"], 4);
}

#[apply(on_both_stores)]
async fn client_credentials_grant_returns_a_client_token(app: TestApp) {
    let client = app.client("billing-job", &["reports:read", "reports:write"]);
    let form = [("grant_type", "client_credentials")];
    let answer = app.oauth("/oauth/token", &form, Some(&client)).await;
    let access = text(&answer, "access_token");
    let expected = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": 300,
        "scope": "reports:read reports:write",
    });
    assert_eq!((answer.status, answer.json), (200, expected));
    let claims = claims_of(&access);
    let iat = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": app.issuer, "sub": "billing-job", "client_id": "billing-job", "aud": "api",
            "iat": iat,
            "exp": iat + 300, "jti": claims["jti"], "sid": claims["sid"],
            "scope": "reports:read reports:write", "token_type": "access",
        })
    );
    // With the credentials in the body, and a narrower scope.
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client.0),
        ("client_secret", &client.1),
        ("scope", "reports:read"),
        ("unknown", "unknown parameters are ignored"),
        ("empty", ""),
    ];
    let answer = app.oauth("/oauth/token", &form, None).await;
    assert_eq!((answer.status, answer.json["scope"].as_str()), (200, Some("reports:read")));
    // A client is not a user.
    app.get("/me", Some(&access)).await.assert_problem(403, "permission_denied");
    assert_eq!(app.post("/token/verify", json!({"token": access})).await.status, 200);
}

#[apply(on_both_stores)]
async fn invalid_requests_get_standard_errors(app: TestApp) {
    let client = app.client("reports-api", &["read"]);
    let wrong = (client.0.clone(), "wrong".to_owned());
    let unknown = ("unknown".to_owned(), client.1.clone());
    let grant = ("grant_type", "client_credentials");
    for (form, client, status, error) in [
        (vec![], Some(&client), 400, "invalid_request"),
        (vec![("grant_type", "")], Some(&client), 400, "invalid_request"),
        (vec![("grant_type", "password")], Some(&client), 400, "unsupported_grant_type"),
        (vec![("grant_type", "authorization_code")], None, 400, "unsupported_grant_type"),
        (vec![grant, grant], Some(&client), 400, "invalid_request"),
        (vec![grant], None, 401, "invalid_client"),
        (vec![grant, ("client_id", "reports-api")], None, 401, "invalid_client"),
        (vec![grant, ("client_secret", "x")], None, 400, "invalid_request"),
        (vec![grant], Some(&wrong), 401, "invalid_client"),
        (vec![grant], Some(&unknown), 401, "invalid_client"),
        (vec![grant, ("client_id", "other")], Some(&client), 400, "invalid_request"),
        (vec![grant, ("client_secret", "x")], Some(&client), 400, "invalid_request"),
        (vec![grant, ("scope", "write")], Some(&client), 400, "invalid_scope"),
        (vec![("grant_type", "refresh_token")], None, 400, "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], None, 400, "invalid_grant"),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "x")],
            Some(&wrong),
            401,
            "invalid_client",
        ),
    ] {
        let answer = app.oauth("/oauth/token", &form, client).await;
        assert_error(&answer, status, error);
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        assert_error(&app.oauth(path, &[], Some(&client)).await, 400, "invalid_request");
        assert_error(
            &app.oauth(path, &[("token", "x")], Some(&wrong)).await,
            401,
            "invalid_client",
        );
    }
    assert_error(
        &app.oauth("/oauth/introspect", &[("token", "x")], None).await,
        401,
        "invalid_client",
    );
    // Revocation of an unknown token succeeds (RFC 7009 section 2.2).
    assert_eq!(app.revoke("x", None).await.status, 200);

    for authorization in ["Bearer x", "Basic", "Basic !", "Basic bm8gY29sb24=", "basic //8="] {
        let request =
            app.request(Method::POST, "/oauth/token").header("authorization", authorization);
        assert_error(&app.send(request.form(&[grant])).await, 401, "invalid_client");
    }
    let twice = app.request(Method::POST, "/oauth/token").basic_auth(&client.0, Some(&client.1));
    let twice = twice.basic_auth(&client.0, Some(&client.1));
    assert_error(&app.send(twice.form(&[grant])).await, 401, "invalid_client");

    let raw = |content_type: &str, body: String| {
        let request =
            app.request(Method::POST, "/oauth/token").header("content-type", content_type);
        app.send(request.basic_auth(&client.0, Some(&client.1)).body(body))
    };
    let answer = raw("application/json", "{}".into()).await;
    assert_error(&answer, 415, "invalid_request");
    assert!(text(&answer, "error_description").contains("x-www-form-urlencoded"));
    let form = "application/x-www-form-urlencoded";
    assert_error(&raw(form, "x".repeat(70_000)).await, 413, "invalid_request");
    assert_error(&raw(form, "grant_type=%ff".into()).await, 400, "invalid_request");
    let answer = raw(
        "application/x-www-form-urlencoded;charset=UTF-8",
        "grant_type=client_credentials".into(),
    );
    assert_eq!(answer.await.status, 200);
    app.get("/oauth/token", None).await.assert_problem(405, "method_not_allowed");
}
