//! The standard's routes: tokens, revocation and introspection for clients that speak OAuth 2.0.

use crate::support::TestApp;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, RedisServer, claims_of};

/// A client's id and secret.
type Credentials = (String, String);

impl TestApp {
    /// Makes a client.
    fn client(&self, id: &str, scopes: &[&str]) -> Credentials {
        let mut args = vec!["clients", "create", id];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        credentials(&self.cli(&args))
    }

    async fn oauth(&self, path: &str, form: &[(&str, &str)], client: Option<&Credentials>) -> Answer {
        let mut request = self.request(Method::POST, path).form(form);
        if let Some((id, secret)) = client {
            request = request.basic_auth(id, Some(secret));
        }
        self.send(request).await
    }

    async fn client_token(&self, client: &Credentials) -> String {
        let form = [("grant_type", "client_credentials")];
        text(&self.oauth("/oauth/token", &form, Some(client)).await, "access_token")
    }

    async fn introspect(&self, token: &str, client: &Credentials) -> Value {
        let answer = self.oauth("/oauth/introspect", &[("token", token)], Some(client)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    async fn revoke(&self, token: &str, client: Option<&Credentials>) -> Answer {
        self.oauth("/oauth/revoke", &[("token", token)], client).await
    }
}

fn credentials(output: &std::process::Output) -> Credentials {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let word = |name| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    (word("client_id"), word("client_secret"))
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json[name].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// Asserts that it is an error of RFC 6749 section 5.2.
#[track_caller]
fn assert_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.json["error"].as_str()), (status, Some(error)), "{answer:?}");
    let description = answer.json["error_description"].as_str().unwrap();
    let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(!description.is_empty() && description.bytes().all(allowed), "{description}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("www-authenticate").starts_with("Basic "), status == 401, "{answer:?}");
}

on_both! {
    async fn a_refresh_token_is_traded_for_new_tokens(app: TestApp) {
        let first = app.new_user("ada").await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &first.refresh)];
        let answer = app.oauth("/oauth/token", &form, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let (access, refresh) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
        let expected = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh,
        });
        assert_eq!(answer.json, expected);
        assert_eq!(claims_of(&access)["sid"], claims_of(&first.access)["sid"]);
        assert_eq!(claims_of(&refresh)["gen"], 1);
        assert_eq!(app.get("/me", Some(&access)).await.status, 200);
        // One session in both dialects: the older token, presented again too late, ends it.
        let second = app.refreshed(&refresh).await;
        app.advance(11);
        assert_error(&app.oauth("/oauth/token", &form, None).await, 400, "invalid_grant");
        app.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
    }

    async fn less_scope_may_be_asked_for_but_not_more(app: TestApp) {
        app.new_user("ada").await;
        let granted = app.cli(&["users", "grant", "ada", "--scope", "read", "--scope", "write"]);
        assert!(granted.status.success(), "{granted:?}");
        let mut refresh = app.login("ada").await.tokens().refresh;
        for (wanted, granted) in [(None, "read write"), (Some("read"), "read"), (Some("write read"), "write read")] {
            let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
            form.extend(wanted.map(|wanted| ("scope", wanted)));
            let answer = app.oauth("/oauth/token", &form, None).await;
            assert_eq!((answer.status, answer.json["scope"].as_str()), (200, Some(granted)), "{answer:?}");
            assert_eq!(claims_of(&text(&answer, "access_token"))["scope"], granted);
            // The refresh token grants what it did (RFC 6749 section 6).
            refresh = text(&answer, "refresh_token");
            assert_eq!(claims_of(&refresh)["scope"], "read write");
        }
        for wanted in ["admin", "read admin", "read  write", "\"", "ä"] {
            let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", wanted)];
            assert_error(&app.oauth("/oauth/token", &form, None).await, 400, "invalid_scope");
        }
        // Nothing has happened to the token.
        assert_eq!(claims_of(&app.refreshed(&refresh).await.refresh)["gen"], 4);
    }

    async fn a_client_gets_a_token_in_its_own_right(app: TestApp) {
        let client = app.client("billing-job", &["reports:read", "reports:write"]);
        let form = [("grant_type", "client_credentials")];
        let answer = app.oauth("/oauth/token", &form, Some(&client)).await;
        let access = text(&answer, "access_token");
        let expected = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 300, "scope": "reports:read reports:write",
        });
        assert_eq!((answer.status, answer.json), (200, expected));
        let claims = claims_of(&access);
        let iat = claims["iat"].as_i64().unwrap();
        assert_eq!(
            claims,
            json!({
                "iss": app.issuer, "sub": "billing-job", "client_id": "billing-job", "aud": "api", "iat": iat,
                "exp": iat + 300, "jti": claims["jti"], "sid": claims["sid"],
                "scope": "reports:read reports:write", "token_type": "access",
            })
        );
        // Its credentials in the body, and less scope.
        let form = [
            ("grant_type", "client_credentials"), ("client_id", &client.0), ("client_secret", &client.1),
            ("scope", "reports:read"), ("resource", "unknown parameters are ignored"), ("empty", ""),
        ];
        let answer = app.oauth("/oauth/token", &form, None).await;
        assert_eq!((answer.status, answer.json["scope"].as_str()), (200, Some("reports:read")));
        // It is nobody.
        app.get("/me", Some(&access)).await.assert_problem(403, "permission_denied");
        assert_eq!(app.post("/token/verify", json!({"token": access})).await.status, 200);
    }

    async fn a_token_that_is_revoked_is_refused(app: TestApp) {
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

    async fn a_clients_token_is_revoked_by_that_client_alone(app: TestApp) {
        let (owner, other) = (app.client("owner", &["read"]), app.client("other", &[]));
        let (token, kept) = (app.client_token(&owner).await, app.client_token(&owner).await);
        assert_error(&app.revoke(&token, None).await, 401, "invalid_client");
        assert_error(&app.revoke(&token, Some(&other)).await, 400, "unauthorized_client");
        assert_eq!(app.introspect(&token, &other).await["active"], true);
        assert_eq!(app.revoke(&token, Some(&owner)).await.status, 200);
        assert_eq!(app.revoke(&token, Some(&owner)).await.status, 200);
        assert_eq!(app.introspect(&token, &other).await, json!({"active": false}));
        assert_eq!(app.introspect(&kept, &other).await["active"], true);
        app.post("/token/verify", json!({"token": token})).await.assert_problem(401, "token_not_valid");
    }

    async fn introspection_says_what_a_token_is_worth(app: TestApp) {
        let client = app.client("gateway", &["read"]);
        app.new_user("ada").await;
        let granted = app.cli(&["users", "grant", "ada", "--scope", "read", "--role", "editor"]);
        assert!(granted.status.success(), "{granted:?}");
        let tokens = app.login("ada").await.tokens();
        let claims = claims_of(&tokens.access);
        let common = |claims: &Value| json!({
            "active": true, "iss": app.issuer, "sub": claims["sub"], "aud": claims["aud"], "exp": claims["exp"],
            "iat": claims["iat"], "jti": claims["jti"], "sid": claims["sid"], "scope": "read",
        });
        let mut expected = common(&claims);
        expected["client_id"] = json!("first-party");
        expected["username"] = json!("ada");
        expected["roles"] = json!(["editor"]);
        let mut of_refresh = expected.clone();
        expected["token_type"] = json!("Bearer");
        assert_eq!(app.introspect(&tokens.access, &client).await, expected);
        let claims = claims_of(&tokens.refresh);
        for name in ["aud", "exp", "jti"] {
            of_refresh[name] = claims[name].clone();
        }
        assert_eq!(app.introspect(&tokens.refresh, &client).await, of_refresh);
        let own = app.client_token(&client).await;
        let mut expected = common(&claims_of(&own));
        expected["client_id"] = json!("gateway");
        expected["token_type"] = json!("Bearer");
        assert_eq!(app.introspect(&own, &client).await, expected);

        let inactive = json!({"active": false});
        for token in ["nonsense", "a.b.c", &format!("{}x", tokens.access), &"x".repeat(60_000)] {
            assert_eq!(app.introspect(token, &client).await, inactive);
        }
        app.advance(301);
        assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200, "within the leeway");
        assert_eq!(app.introspect(&tokens.access, &client).await, inactive);
        app.advance(7 * 24 * 3600);
        assert_eq!(app.introspect(&tokens.refresh, &client).await, inactive);
    }

    async fn requests_that_are_wrong_are_refused_in_the_standards_words(app: TestApp) {
        let client = app.client("reports-api", &["read"]);
        let wrong = (client.0.clone(), "wrong".to_owned());
        let nobody = ("nobody".to_owned(), client.1.clone());
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
            (vec![grant], Some(&nobody), 401, "invalid_client"),
            (vec![grant, ("client_id", "other")], Some(&client), 400, "invalid_request"),
            (vec![grant, ("client_secret", "x")], Some(&client), 400, "invalid_request"),
            (vec![grant, ("scope", "write")], Some(&client), 400, "invalid_scope"),
            (vec![("grant_type", "refresh_token")], None, 400, "invalid_request"),
            (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], None, 400, "invalid_grant"),
            (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], Some(&wrong), 401, "invalid_client"),
        ] {
            let answer = app.oauth("/oauth/token", &form, client).await;
            assert_error(&answer, status, error);
        }
        for path in ["/oauth/introspect", "/oauth/revoke"] {
            assert_error(&app.oauth(path, &[], Some(&client)).await, 400, "invalid_request");
            assert_error(&app.oauth(path, &[("token", "x")], Some(&wrong)).await, 401, "invalid_client");
        }
        assert_error(&app.oauth("/oauth/introspect", &[("token", "x")], None).await, 401, "invalid_client");
        // A token nobody knows is no error.
        assert_eq!(app.revoke("x", None).await.status, 200);

        for authorization in ["Bearer x", "Basic", "Basic !", "Basic bm8gY29sb24=", "basic //8="] {
            let request = app.request(Method::POST, "/oauth/token").header("authorization", authorization);
            assert_error(&app.send(request.form(&[grant])).await, 401, "invalid_client");
        }
        let twice = app.request(Method::POST, "/oauth/token").basic_auth(&client.0, Some(&client.1));
        let twice = twice.basic_auth(&client.0, Some(&client.1));
        assert_error(&app.send(twice.form(&[grant])).await, 401, "invalid_client");

        let raw = |content_type: &str, body: String| {
            let request = app.request(Method::POST, "/oauth/token").header("content-type", content_type);
            app.send(request.basic_auth(&client.0, Some(&client.1)).body(body))
        };
        let answer = raw("application/json", "{}".into()).await;
        assert_error(&answer, 415, "invalid_request");
        assert!(text(&answer, "error_description").contains("x-www-form-urlencoded"));
        let form = "application/x-www-form-urlencoded";
        assert_error(&raw(form, "x".repeat(70_000)).await, 413, "invalid_request");
        assert_error(&raw(form, "%ff=%00&grant_type=%ff".into()).await, 400, "unsupported_grant_type");
        let answer = raw("application/x-www-form-urlencoded;charset=UTF-8", "grant_type=client_credentials".into());
        assert_eq!(answer.await.status, 200);
        app.get("/oauth/token", None).await.assert_problem(405, "method_not_allowed");
    }

    async fn a_client_is_listed_gets_another_secret_and_is_deleted(app: TestApp) {
        let first = app.client("billing-job", &["write", "read", "read"]);
        let token = app.client_token(&first).await;
        let asking = app.client("asking", &[]);
        let refused = |args: &[&str]| {
            let output = app.cli(args);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        assert!(refused(&["clients", "create", "billing-job"]).contains("there is a client billing-job already"));
        let file = app.folder.path().join("client.secret");
        let in_file = ["clients", "create", "in-file", "--secret-file", file.to_str().unwrap()];
        for expected in ["Made in-file", "There already: in-file"] {
            let said = String::from_utf8(app.cli(&in_file).stdout).unwrap();
            assert!(said.starts_with(expected), "{said}");
        }
        let secret = ("in-file".to_owned(), std::fs::read_to_string(&file).unwrap());
        app.client_token(&secret).await;
        assert!(app.cli(&["clients", "delete", "in-file"]).status.success());
        assert!(refused(&["clients", "delete", "nobody"]).contains("there is no client nobody"));
        assert!(refused(&["clients", "rotate-secret", "nobody"]).contains("there is no client nobody"));
        for bad in ["a b", "first-party", "0190163d-8694-739b-aea5-966c26f8ad91"] {
            assert!(refused(&["clients", "create", bad]).contains("must "));
        }
        assert!(refused(&["clients", "create", "x", "--scope", "a b"]).contains("--scope"));
        let scopes: Vec<String> = (0..30).map(|number| format!("{number:0>80}")).collect();
        let mut create = vec!["clients", "create", "x"];
        create.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        assert!(refused(&create).contains("more than 2000 bytes of scopes"));

        let list = String::from_utf8(app.cli(&["clients", "list"]).stdout).unwrap();
        assert!(list.lines().count() == 3 && list.contains("billing-job") && list.contains("  read write\n"), "{list}");
        assert!(!list.contains(&first.1));

        let second = credentials(&app.cli(&["clients", "rotate-secret", "billing-job"]));
        assert_ne!(first.1, second.1);
        let form = [("grant_type", "client_credentials")];
        app.until_oauth("/oauth/token", &form, &second, 200).await;
        assert_error(&app.oauth("/oauth/token", &form, Some(&first)).await, 401, "invalid_client");

        assert!(app.cli(&["clients", "delete", "billing-job"]).status.success());
        app.until_oauth("/oauth/token", &form, &second, 401).await;
        assert_eq!(app.introspect(&token, &asking).await, json!({"active": false}));
        // Another client of that name has nothing to do with it.
        app.advance(2);
        app.client("billing-job", &[]);
        assert_eq!(app.introspect(&token, &asking).await, json!({"active": false}));
    }
}

impl TestApp {
    /// Asks until the answer has this status: clients are remembered for a moment.
    async fn until_oauth(&self, path: &str, form: &[(&str, &str)], client: &Credentials, status: u16) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.oauth(path, form, Some(client)).await.status != status {
            assert!(std::time::Instant::now() < deadline, "{path} does not become {status}");
        }
    }
}

#[actix_web::test]
async fn the_metadata_names_the_routes() {
    let app = TestApp::embedded().await;
    let at = |path: &str| format!("{}{path}", app.issuer);
    let methods = ["client_secret_basic", "client_secret_post"];
    let or_none = ["client_secret_basic", "client_secret_post", "none"];
    for name in ["oauth-authorization-server", "openid-configuration"] {
        let metadata = app.get(&format!("/.well-known/{name}"), None).await;
        assert_eq!(metadata.header("cache-control"), "public, max-age=300");
        assert_eq!(
            (metadata.status, metadata.json),
            (
                200,
                json!({
                    "issuer": app.issuer, "jwks_uri": at("/.well-known/jwks.json"),
                    "token_endpoint": at("/oauth/token"), "token_endpoint_auth_methods_supported": or_none,
                    "grant_types_supported": ["refresh_token", "client_credentials"],
                    "revocation_endpoint": at("/oauth/revoke"),
                    "revocation_endpoint_auth_methods_supported": or_none,
                    "introspection_endpoint": at("/oauth/introspect"),
                    "introspection_endpoint_auth_methods_supported": methods,
                    "response_types_supported": [],
                })
            )
        );
    }
}

#[actix_web::test]
async fn without_the_database_a_client_that_was_just_seen_goes_on() {
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
    // It must not claim what is not durable.
    assert_error(&app.revoke(&tokens.refresh, None).await, 503, "temporarily_unavailable");
    assert_error(&app.revoke(&tokens.access, None).await, 503, "temporarily_unavailable");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)];
    assert_eq!(app.oauth("/oauth/token", &form, None).await.status, 200);
}

#[actix_web::test]
async fn without_redis_what_must_not_be_guessed_is_unavailable() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let client = app.client("gateway", &["read"]);
    let tokens = app.new_user("ada").await;
    let gone = app.login("ada").await.tokens();
    let own = app.client_token(&client).await;
    redis.stop();
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    assert_error(&app.oauth("/oauth/token", &form, None).await, 503, "temporarily_unavailable");
    let form = [("token", tokens.refresh.as_str())];
    let answer = app.oauth("/oauth/introspect", &form, Some(&client)).await;
    assert_error(&answer, 503, "temporarily_unavailable");
    // Whoever asks wants to know for sure.
    for token in [&tokens.access, &own] {
        let answer = app.oauth("/oauth/introspect", &[("token", token)], Some(&client)).await;
        assert_error(&answer, 503, "temporarily_unavailable");
    }
    assert_eq!(app.revoke(&gone.access, None).await.status, 200);
    assert_eq!(app.revoke(&own, Some(&client)).await.status, 200);
    redis.restart();
    app.wait_for_status("/readyz", 200).await;
    app.refresh(&gone.refresh).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.introspect(&own, &client).await, json!({"active": false}));
}
