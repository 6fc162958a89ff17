//! `GET /auth/verify`, which a proxy calls before it forwards a request.

use crate::support::{TestApp, on_both_stores};
use reqwest::{Method, RequestBuilder, Response};
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, Nginx, Proxy, claims_of};

/// Returns the headers that identify the caller: name, subject and scopes.
fn identity(answer: &Answer) -> [Option<String>; 3] {
    ["x-auth-user", "x-auth-subject", "x-auth-scopes"].map(|name| {
        let value = answer.headers.get(name)?;
        Some(String::from_utf8(value.as_bytes().to_vec()).unwrap())
    })
}

/// Creates a client with the scope `read`, and returns an access token of the client.
async fn client_token(app: &TestApp) -> String {
    let created = app.cli(&["clients", "create", "billing-job", "--scope", "read"]).stdout;
    let created = String::from_utf8(created).unwrap();
    let secret = created.split_whitespace().last().unwrap();
    let request = app.request(Method::POST, "/oauth/token").basic_auth("billing-job", Some(secret));
    let answer = app.send(request.form(&[("grant_type", "client_credentials")])).await;
    answer.json["access_token"].as_str().unwrap().to_owned()
}

#[apply(on_both_stores)]
async fn answer_identifies_the_user_or_rejects_the_token(app: TestApp) {
    for name in ["ada", "Zoë"] {
        let tokens = app.new_user(name).await;
        let sub = claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned();
        let answer = app.get("/auth/verify", Some(&tokens.access)).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        assert_eq!(identity(&answer), [Some(name.into()), Some(sub), Some(String::new())]);

        app.logout(&tokens).await;
        let answer = app.get("/auth/verify", Some(&tokens.access)).await;
        answer.assert_problem(401, "token_not_valid");
        assert_eq!(identity(&answer), [None, None, None]);
    }
    let answer = app.get("/auth/verify", None).await;
    assert_eq!(
        answer.assert_problem(401, "not_authenticated").header("www-authenticate"),
        "Bearer"
    );
    app.get("/auth/verify", Some("a.b.c")).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn required_scopes_and_roles_are_enforced(app: TestApp) {
    app.new_user("ada").await;
    let granted = app
        .cli(&["users", "grant", "ada", "--scope", "read", "--scope", "a/b", "--role", "editor"]);
    assert!(granted.status.success(), "{granted:?}");
    let access = app.login("ada").await.tokens().access;
    let ask = |query: &str| {
        let app = &app;
        let access = &access;
        let path = format!("/auth/verify{query}");
        async move { app.get(&path, Some(access)).await }
    };
    for query in ["", "?scope=read", "?scope=read+a/b", "?scope=read&scope=a%2Fb&role=editor"] {
        let answer = ask(query).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(identity(&answer)[2].as_deref(), Some("read a/b"));
    }
    for (query, challenge) in [
        ("?scope=write", r#"Bearer error="insufficient_scope", scope="write""#),
        ("?scope=read+write", r#"Bearer error="insufficient_scope", scope="write""#),
        ("?scope=read&scope=write", r#"Bearer error="insufficient_scope", scope="write""#),
        ("?scope=editor", r#"Bearer error="insufficient_scope", scope="editor""#),
        ("?role=read", r#"Bearer error="insufficient_scope""#),
        ("?role=editor+admin", r#"Bearer error="insufficient_scope""#),
    ] {
        let answer = ask(query).await;
        assert_eq!(
            answer.assert_problem(403, "permission_denied").header("www-authenticate"),
            challenge
        );
        assert_eq!(identity(&answer), [None, None, None]);
    }
    for query in ["?scope=", "?scope=read++write", "?scope=%22", "?scope=%0d%0aX:y"] {
        ask(query).await.assert_fields(&["scope"]);
    }
    ask("?role=").await.assert_fields(&["role"]);
    // An ignored misspelt parameter would leave a protected route open.
    for query in ["?scopes=read", "?Scope=read", "?role[]=editor", "?x"] {
        ask(query).await.assert_fields(&["query"]);
    }
}

/// Asks about a request with these headers.
async fn ask_about(app: &TestApp, query: &str, headers: &[(&str, &str)]) -> Answer {
    let request = app.request(Method::GET, &format!("/auth/verify{query}"));
    let add = |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    app.send(headers.iter().fold(request, add)).await
}

const PREFLIGHT: [(&str, &str); 2] =
    [("origin", "https://app.example.com"), ("access-control-request-method", "POST")];

#[actix_web::test]
async fn preflight_passes_if_the_proxy_names_its_method() {
    let app = TestApp::embedded().await;
    for name in ["x-forwarded-method", "x-original-method"] {
        let headers = [&PREFLIGHT[..], &[(name, "OPTIONS")]].concat();
        let answer = ask_about(&app, "?preflight=allow&scope=read", &headers).await;
        assert_eq!((answer.status, identity(&answer)), (204, [None, None, None]), "{name}");
        // The operator has to ask for it: an older proxy may pass on a forged header.
        ask_about(&app, "?scope=read", &headers).await.assert_problem(401, "not_authenticated");
    }
    let refuse = async |headers: &[(&str, &str)]| {
        let answer = ask_about(&app, "?preflight=allow", headers).await;
        answer.assert_problem(401, "not_authenticated");
    };
    refuse(&PREFLIGHT).await;
    refuse(&[("x-forwarded-method", "OPTIONS")]).await;
    refuse(&[PREFLIGHT[0], ("x-forwarded-method", "OPTIONS")]).await;
    refuse(&[PREFLIGHT[1], ("x-forwarded-method", "OPTIONS")]).await;
    // A client has forged the header that this proxy does not set, or a second value.
    for (name, forged) in [
        ("x-forwarded-method", "x-original-method"),
        ("x-original-method", "x-forwarded-method"),
        ("x-forwarded-method", "x-forwarded-method"),
    ] {
        let headers = [&PREFLIGHT[..], &[(name, "DELETE"), (forged, "OPTIONS")]].concat();
        refuse(&headers).await;
    }
    for query in ["?preflight=", "?preflight=yes"] {
        let access = app.new_user(if query.len() > 11 { "ada" } else { "grace" }).await.access;
        app.get(&format!("/auth/verify{query}"), Some(&access)).await.assert_fields(&["preflight"]);
    }
}

#[apply(on_both_stores)]
async fn client_token_has_no_user(app: TestApp) {
    let access = client_token(&app).await;
    let answer = app.get("/auth/verify", Some(&access)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(identity(&answer), [None, Some("billing-job".into()), Some("read".into())]);
}

/// The proxy of the compose file, in front of a server that greets users and verifies no tokens.
struct Guarded {
    nginx: Nginx,
    http: reqwest::Client,
}

impl Guarded {
    fn behind(auth_service: std::net::SocketAddr) -> Self {
        let no_server = "127.0.0.1:1".parse().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { nginx: Nginx::in_front_of(auth_service, no_server), http }
    }

    fn request(&self, path: &str, access: Option<&str>) -> RequestBuilder {
        let request = self.http.get(self.nginx.resource_url(path));
        match access {
            Some(access) => request.bearer_auth(access),
            None => request,
        }
    }

    async fn get(&self, path: &str, access: Option<&str>) -> Response {
        self.request(path, access).send().await.unwrap()
    }
}

async fn assert_hello(answer: Response, subject: &str, name: &str) {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), format!("hello, {subject} ({name})\n"));
}

/// Returns the subject of an access token.
fn subject(access: &str) -> String {
    claims_of(access)["sub"].as_str().unwrap().to_owned()
}

/// Asserts that an answer is a problem that has each of these headers once.
async fn assert_problem(answer: Response, status: u16, code: &str, headers: &[(&str, &str)]) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    for name in ["www-authenticate", "retry-after"] {
        let expected: Vec<&str> =
            headers.iter().filter(|header| header.0 == name).map(|header| header.1).collect();
        assert_eq!(answer.headers().get_all(name).iter().collect::<Vec<_>>(), expected, "{name}");
    }
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)));
}

#[actix_web::test]
async fn nginx_protects_a_server_that_verifies_no_tokens() {
    let app = TestApp::embedded().await;
    let guarded = Guarded::behind(app.addr);
    let challenge = |value| [("www-authenticate", value)];
    for name in ["ada", "Zoë"] {
        let tokens = app.new_user(name).await;
        let access = Some(tokens.access.as_str());
        let sub = subject(&tokens.access);
        assert_hello(guarded.get("/hello", access).await, &sub, name).await;
        let request =
            guarded.request("/hello/there?scope=admin", access).header("X-Auth-User", "mallory");
        assert_hello(request.send().await.unwrap(), &sub, name).await;
        // nginx does not pass the body to auth-service.
        let posted =
            guarded.http.post(guarded.nginx.resource_url("/hello")).bearer_auth(&tokens.access);
        assert_hello(posted.body("x".repeat(2_000_000)).send().await.unwrap(), &sub, name).await;

        let needed = challenge(r#"Bearer error="insufficient_scope", scope="reports:read""#);
        assert_problem(
            guarded.get("/hello/reports", access).await,
            403,
            "permission_denied",
            &needed,
        )
        .await;
        assert!(app.cli(&["users", "grant", name, "--scope", "reports:read"]).status.success());
        let granted = app.login(name).await.tokens().access;
        assert_hello(guarded.get("/hello/reports", Some(&granted)).await, &sub, name).await;

        app.logout(&tokens).await;
        let invalid = challenge(r#"Bearer error="invalid_token""#);
        assert_problem(guarded.get("/hello", access).await, 401, "token_not_valid", &invalid).await;
    }
    for path in ["/hello", "/hello/reports"] {
        let request = guarded.request(path, None).header("X-Auth-User", "mallory");
        let answer = request.send().await.unwrap();
        assert_problem(answer, 401, "not_authenticated", &challenge("Bearer")).await;
    }
    let client = client_token(&app).await;
    let request = guarded.request("/hello", Some(&client)).header("X-Auth-User", "mallory");
    assert_hello(request.send().await.unwrap(), "billing-job", "").await;
    // A browser sends a preflight without a token.
    let options = || guarded.http.request(Method::OPTIONS, guarded.nginx.resource_url("/hello"));
    let preflight = options().header("Access-Control-Request-Method", "POST");
    let preflight = preflight.header("X-Auth-Subject", "mallory").header("X_Auth_User", "mallory");
    assert_hello(preflight.send().await.unwrap(), "", "").await;
    assert_eq!(options().send().await.unwrap().status(), 401);
    assert_eq!(
        guarded.get("/auth/verify/", Some(&client)).await.status(),
        404,
        "only nginx may call the route"
    );
}

#[actix_web::test]
async fn nginx_forwards_no_request_while_auth_service_is_unreachable() {
    let app = TestApp::embedded().await;
    let proxy = Proxy::to(app.addr.to_string());
    let guarded = Guarded::behind(proxy.addr());
    let access = app.new_user("ada").await.access;
    let sub = subject(&access);
    assert_hello(guarded.get("/hello", Some(&access)).await, &sub, "ada").await;
    proxy.cut();
    for access in [Some(access.as_str()), None] {
        let answer = guarded.get("/hello", access).await;
        assert_problem(answer, 503, "unavailable", &[("retry-after", "1")]).await;
    }
    proxy.restore();
    assert_hello(guarded.get("/hello", Some(&access)).await, &sub, "ada").await;
    // Other routes of nginx do not depend on auth-service.
    assert_problem(guarded.get("/whoami", Some(&access)).await, 502, "bad_gateway", &[]).await;
}
