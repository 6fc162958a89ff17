//! nginx and Caddy send users who are not signed in to the sign-in page, and keep the cookies of
//! auth-service from the services behind them.

use std::{any::Any, net::SocketAddr, path::Path};

use crate::{
    proxy_sign_in::{EVIL, TOOL, TRUSTED, assert_redirect, with_headers},
    support::{TestApp, browser::Browser},
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use reqwest::{Method, Response, Url, redirect::Policy};
use serde_json::{Value, json};
use test_support::{Caddy, Nginx, Proxy, claims_of};

/// A proxy in front of a service that verifies no tokens. Requests name the port of [`TOOL`].
struct Guarded {
    url: String,
    http: reqwest::Client,
    _proxy: Box<dyn Any>,
}

impl Guarded {
    /// The proxy of the compose file. Its sample service is at `/hello`.
    fn compose(auth_service: SocketAddr, resource_service: SocketAddr) -> Self {
        let nginx = Nginx::in_front_of(auth_service, resource_service);
        Self::new(nginx.resource_url(""), nginx)
    }

    /// nginx with the sample of the guide.
    fn nginx(auth_service: SocketAddr) -> Self {
        let nginx = Nginx::with_server(&sample("nginx"), auth_service, start_echo());
        Self::new(nginx.resource_url(""), nginx)
    }

    /// Caddy with the sample of the guide.
    fn caddy(auth_service: SocketAddr) -> Self {
        let caddy = Caddy::with_directives(&sample("caddyfile"), auth_service, start_echo());
        Self::new(caddy.url(""), caddy)
    }

    fn new(url: String, proxy: impl Any) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        Self { url, http: http.build().unwrap(), _proxy: Box::new(proxy) }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let body = if method == Method::POST { "x" } else { "" };
        let request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        let request = with_headers(request.header("host", "127.0.0.1:8081"), headers);
        request.send().await.unwrap()
    }
}

/// Returns the sample of the guide in this language.
fn sample(language: &str) -> String {
    const GUIDE: &str = "docs/guides/protect-any-service-behind-a-proxy.md";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(GUIDE);
    let guide = std::fs::read_to_string(path).unwrap();
    let (_, sample) = guide.split_once(&format!("```{language}\n")).expect(language);
    sample.split_once("```").unwrap().0.to_owned()
}

/// Starts a service that answers with the subject and the cookies of the request.
fn start_echo() -> SocketAddr {
    async fn echo(request: HttpRequest) -> HttpResponse {
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
        let cookies = header("cookie").unwrap_or_default();
        let known = json!({"subject": header("x-auth-subject"), "cookies": cookies});
        HttpResponse::Ok().insert_header(("set-cookie", "own=1")).json(known)
    }
    let server = HttpServer::new(|| App::new().default_service(web::to(echo)));
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let addr = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    addr
}

/// Returns the status and the code of a problem.
async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert!(answer.headers().get_all("www-authenticate").iter().count() <= 1, "{answer:?}");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status);
    (status, problem["code"].as_str().unwrap().to_owned())
}

const HTML: (&str, &str) = ("accept", "text/html");
/// Headers by which a client tries to choose what a proxy states of its request.
const FORGED: [(&str, &str); 5] = [
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-uri", "/evil"),
    ("x-auth-renewed", "auth-session=evil"),
    ("x-auth-subject", "mallory"),
];

/// Asserts that a proxy sends a user without a session to the sign-in page, lets a user with a
/// session pass, and refuses pages of other sites.
async fn assert_signs_users_in(app: &TestApp, guarded: &Guarded, path: &str) {
    for headers in [&[HTML][..], &[&[HTML][..], &FORGED].concat()] {
        let answer = guarded.send(Method::GET, path, headers).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        let location = answer.headers()["location"].to_str().unwrap();
        assert_redirect(location, &app.issuer, &format!("{TOOL}{path}"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(!answer.headers().contains_key("set-cookie"), "{answer:?}");
    }
    for (method, headers) in [
        (Method::GET, &[("accept", "application/json")][..]),
        (Method::GET, &[HTML, ("sec-fetch-mode", "cors")]),
        (Method::POST, &[HTML, ("x-forwarded-method", "GET")]),
        (Method::POST, &[HTML, ("sec-fetch-mode", "navigate"), ("x-original-method", "GET")]),
    ] {
        let answer = guarded.send(method, path, headers).await;
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(problem(answer).await, (401, "not_authenticated".into()), "{headers:?}");
    }

    let browser = Browser::new(app);
    app.register("ada").await;
    let body = json!({"username": "ada", "password": "correct horse battery", "cookie": true});
    let origin = Url::parse(&app.issuer).unwrap().origin().ascii_serialization();
    let answer = browser.post_from(&origin, "/login", Some(body)).await;
    let sub = claims_of(answer.json["tokens"]["access"].as_str().unwrap())["sub"].clone();
    let session = format!("auth-session={}", browser.session().unwrap());
    let cookie = ("cookie", session.as_str());
    for (method, headers) in [
        (Method::GET, &[][..]),
        (Method::GET, &[HTML, FORGED[3], FORGED[4]]),
        (Method::POST, &[("origin", TOOL)]),
        (Method::POST, &[("sec-fetch-site", "same-origin")]),
    ] {
        let answer = guarded.send(method, path, &[&[cookie][..], headers].concat()).await;
        assert_eq!(answer.status(), 200, "{headers:?}");
        assert_eq!(renewed(&answer), Vec::<String>::new());
        assert!(answer.text().await.unwrap().contains(sub.as_str().unwrap()));
    }
    let forged = ("x-forwarded-method", "GET");
    for (method, headers) in [
        (Method::POST, &[("origin", EVIL), forged][..]),
        (Method::POST, &[("origin", "null"), ("x-original-method", "GET")]),
        (Method::POST, &[forged]),
        (Method::GET, &[("origin", EVIL), HTML]),
    ] {
        let answer = guarded.send(method, path, &[&[cookie][..], headers].concat()).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
    }
    app.advance(3600);
    let answer = guarded.send(Method::GET, path, &[cookie]).await;
    let renewed = renewed(&answer);
    let [renewed] = &renewed[..] else { panic!("{answer:?}") };
    assert!(renewed.contains("; Path=/; Max-Age=604800; HttpOnly;"), "{renewed}");
}

/// Returns the cookies of auth-service that an answer sets.
fn renewed(answer: &Response) -> Vec<String> {
    let set = answer.headers().get_all("set-cookie").iter();
    let set = set.map(|cookie| cookie.to_str().unwrap().to_owned());
    set.filter(|cookie| cookie.starts_with("auth-")).collect()
}

/// Asserts that a service behind a proxy gets all cookies but those of auth-service.
async fn assert_keeps_cookies_from_service(guarded: &Guarded, path: &str, authorization: &str) {
    for (sent, seen) in [
        ("a=b", "a=b"),
        ("auth-session=x", ""),
        ("auth-session=x; auth-device=y", ""),
        ("a=b; auth-session=x", "a=b"),
        ("auth-session=x; a=b", "a=b"),
        ("a=b; auth-session=x; c=d", "a=b; c=d"),
        ("a=b; auth-session=x; c=d; auth-device=y; e=f", "a=b; c=d; e=f"),
        ("a=b; auth-device=y; auth-session=x; e=f", "a=b; e=f"),
        ("auth-session=x; a=b; auth-device=y", "a=b"),
        ("a=b; __Host-session=x; __Host-device=y; e=f", "a=b; e=f"),
        ("__Host-session=x;a=b;__Host-device=y", "a=b"),
        ("__Host-session=; a=b; c=", "a=b; c="),
        ("a=__Host-session; b=auth-session=x", "a=__Host-session; b=auth-session=x"),
        (
            "session=x; my-auth-session=y; auth-sessions=z",
            "session=x; my-auth-session=y; auth-sessions=z",
        ),
    ] {
        let headers = [("cookie", sent), ("authorization", authorization)];
        let answer = guarded.send(Method::GET, path, &headers).await;
        assert_eq!(answer.status(), 200, "{sent}");
        let known: Value = answer.json().await.unwrap();
        assert_eq!(known["cookies"], seen, "{sent}");
    }
    let twice = "auth-session=x; auth-session=y; a=b; auth-session=z; auth-device=z";
    let headers = [("cookie", twice), ("authorization", authorization)];
    let answer = guarded.send(Method::GET, path, &headers).await.text().await.unwrap();
    assert!(!answer.contains("auth-"), "{answer}");
}

#[actix_web::test]
async fn compose_proxy_signs_users_in() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let guarded = Guarded::compose(app.addr, start_echo());
    assert_signs_users_in(&app, &guarded, "/hello?a=b&c=%2Fd").await;
    assert_keeps_cookies_from_service(&guarded, "/whoami", "").await;
}

#[actix_web::test]
async fn compose_proxy_answers_a_browser_with_problems() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let guarded = Guarded::compose(app.addr, start_echo());
    // The question for the redirect has the query of the path.
    let answer = guarded.send(Method::GET, "/hello/reports", &[HTML]).await;
    let location = answer.headers()["location"].to_str().unwrap();
    assert_redirect(location, &app.issuer, &format!("{TOOL}/hello/reports"));
    let browser = Browser::of_new_user(&app, "ada").await;
    let session = format!("auth-session={}", browser.session().unwrap());
    let cookie = ("cookie", session.as_str());
    let answer = guarded.send(Method::GET, "/hello/reports", &[HTML, cookie]).await;
    assert_eq!(problem(answer).await, (403, "permission_denied".into()));
    let answer = guarded.send(Method::POST, "/hello", &[cookie, ("origin", EVIL)]).await;
    assert_eq!(problem(answer).await, (403, "foreign_origin".into()));
    browser.post("/logout", None).await;
    let answer = guarded.send(Method::GET, "/hello", &[cookie]).await;
    assert_eq!(problem(answer).await, (401, "session_ended".into()));
}

#[actix_web::test]
async fn compose_proxy_redirects_no_user_while_auth_service_is_unreachable() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let proxy = Proxy::to(app.addr.to_string());
    let guarded = Guarded::compose(proxy.addr(), start_echo());
    assert_eq!(guarded.send(Method::GET, "/hello", &[HTML]).await.status(), 303);
    proxy.cut();
    let answer = guarded.send(Method::GET, "/hello", &[HTML]).await;
    assert_eq!(problem(answer).await, (503, "unavailable".into()));
}

/// An issuer at another path of the service's origin, as in the samples.
const ISSUER: &str = "--issuer=http://127.0.0.1:8081/auth";

async fn assert_sample_signs_users_in(app: &TestApp, guarded: &Guarded) {
    assert_signs_users_in(app, guarded, "/tool?a=b&c=%2Fd").await;
    let access = app.login("ada").await.tokens().access;
    let bearer = format!("Bearer {access}");
    assert_keeps_cookies_from_service(guarded, "/", &bearer).await;
    // The sign-in page is at the same host.
    let answer = guarded.send(Method::GET, "/auth/healthz", &[]).await;
    assert_eq!(answer.status(), 200);
}

#[actix_web::test]
async fn nginx_sample_signs_users_in() {
    let app = TestApp::embedded_with(&[ISSUER]).await;
    assert_sample_signs_users_in(&app, &Guarded::nginx(app.addr)).await;
}

#[actix_web::test]
async fn caddy_sample_signs_users_in() {
    let app = TestApp::embedded_with(&[ISSUER]).await;
    assert_sample_signs_users_in(&app, &Guarded::caddy(app.addr)).await;
}
