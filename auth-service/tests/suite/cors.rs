//! CORS: pages of the listed origins may call every route, and pages of all origins may read keys and
//! metadata.

use crate::support::TestApp;
use reqwest::{Method, RequestBuilder, Response};

const APP: &str = "https://app.example.com";
const OTHER: &str = "https://other.example.com";
const ORIGINS: &str = "--browser-origins=https://app.example.com,http://localhost:3000";
const PUBLIC: [&str; 3] = [
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

/// Returns the values of a header, as one list.
fn header(answer: &Response, name: &str) -> String {
    let values = answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn assert_readable_by(answer: &Response, origin: &str, credentials: &str) {
    assert_eq!(header(answer, "access-control-allow-origin"), origin, "{answer:?}");
    assert_eq!(header(answer, "access-control-allow-credentials"), credentials, "{answer:?}");
}

impl TestApp {
    async fn ask(&self, request: RequestBuilder, origin: &str) -> Response {
        request.header("origin", origin).send().await.unwrap()
    }

    async fn preflight(&self, method: &str, path: &str, origin: &str) -> Response {
        let request = self.request(Method::OPTIONS, path);
        let request = request.header("access-control-request-method", method);
        let request = request.header("access-control-request-headers", "authorization,x-app");
        self.ask(request, origin).await
    }
}

#[actix_web::test]
async fn page_of_a_listed_origin_may_call_every_route() {
    let app = TestApp::embedded_with(&[ORIGINS]).await;
    for (method, path, methods) in [
        ("POST", "/register", "POST, OPTIONS"),
        ("POST", "/login/", "POST, OPTIONS"),
        ("POST", "/token/refresh", "POST, OPTIONS"),
        ("POST", "/token/verify", "POST, OPTIONS"),
        ("POST", "/logout", "POST, OPTIONS"),
        ("POST", "/oauth/token", "POST, OPTIONS"),
        ("GET", "/sessions", "GET, HEAD, OPTIONS"),
        ("PATCH", "/me", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("DELETE", "/sessions/0190163d-8694-739b-aea5-966c26f8ad91", "DELETE, OPTIONS"),
    ] {
        for origin in [APP, "http://localhost:3000"] {
            let answer = app.preflight(method, path, origin).await;
            assert_eq!(answer.status(), 204, "{path}");
            assert_readable_by(&answer, origin, "true");
            assert_eq!(header(&answer, "access-control-allow-methods"), methods);
            assert_eq!(header(&answer, "access-control-allow-headers"), "authorization,x-app");
            assert_eq!(header(&answer, "access-control-max-age"), "7200");
            assert_eq!(header(&answer, "vary"), "Origin");
        }
    }
    // The page reads answers, errors included.
    app.register("ada").await;
    let body = serde_json::json!({"username": "ada", "password": "correct horse battery"});
    let login = app.ask(app.request(Method::POST, "/login").json(&body), APP).await;
    assert_eq!(login.status(), 200);
    let refused = app.ask(app.request(Method::GET, "/me"), APP).await;
    assert_eq!(refused.status(), 401);
    let unknown = app.ask(app.request(Method::GET, "/nowhere"), APP).await;
    assert_eq!(unknown.status(), 404);
    for answer in [&login, &refused, &unknown] {
        assert_readable_by(answer, APP, "true");
        let exposed = "ETag, Retry-After, WWW-Authenticate, X-Request-Id";
        assert_eq!(header(answer, "access-control-expose-headers"), exposed);
        assert_eq!(header(answer, "vary"), "Origin");
    }
}

#[actix_web::test]
async fn page_of_another_origin_may_not() {
    let app = TestApp::embedded_with(&[ORIGINS]).await;
    for origin in [OTHER, "null", "https://app.example.com.evil.example", "HTTPS://APP.EXAMPLE.COM"]
    {
        let preflight = app.preflight("POST", "/login", origin).await;
        assert_eq!(header(&preflight, "access-control-allow-methods"), "");
        let refused = app.ask(app.request(Method::GET, "/me"), origin).await;
        for answer in [&preflight, &refused] {
            assert_readable_by(answer, "", "");
            // A cache must not give this answer to a page of a listed origin.
            assert_eq!(header(answer, "vary"), "Origin");
        }
    }
    // Without the setting no origin is listed. OPTIONS names the methods nevertheless.
    let app = TestApp::embedded().await;
    let preflight = app.preflight("POST", "/login", APP).await;
    assert_eq!(
        (preflight.status().as_u16(), &*header(&preflight, "allow")),
        (204, "POST, OPTIONS")
    );
    assert_readable_by(&preflight, "", "");
    let options = app.request(Method::OPTIONS, "/nowhere").send().await.unwrap();
    assert_eq!(options.status(), 404);
}

#[actix_web::test]
async fn page_of_any_origin_may_read_keys_and_metadata() {
    for settings in [&[][..], &[ORIGINS]] {
        let app = TestApp::embedded_with(settings).await;
        app.login("unknown").await;
        for path in PUBLIC {
            for origin in [APP, OTHER, "null"] {
                let answer = app.ask(app.request(Method::GET, path), origin).await;
                assert_eq!(answer.status(), 200, "{path}");
                assert_readable_by(&answer, "*", "");
                assert_eq!(header(&answer, "vary"), "");
                let preflight = app.preflight("GET", path, origin).await;
                assert_eq!(preflight.status(), 204);
                assert_readable_by(&preflight, "*", "");
                let methods = header(&preflight, "access-control-allow-methods");
                assert_eq!(methods, "GET, HEAD, OPTIONS");
            }
        }
    }
}
