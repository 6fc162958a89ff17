//! `GET /auth/verify` for browsers: the cookie of a session authenticates requests, and a user who
//! is not signed in is sent to the sign-in page.

use crate::support::{TestApp, browser::Browser};
use reqwest::{Method, RequestBuilder, Url};
use test_support::{Answer, Client, Process, RedisServer, temp_dir};

/// The service behind the proxy, on the host of the issuer.
pub const TOOL: &str = "http://127.0.0.1:8081";
/// The setting that trusts [`TOOL`].
pub const TRUSTED: &str = "--browser-origins=http://127.0.0.1:8081";
pub const EVIL: &str = "https://evil.example";

/// What a proxy states of a request by which a browser opens a page.
const PAGE_VIEW: [(&str, &str); 5] = [
    ("x-forwarded-method", "GET"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "127.0.0.1:8081"),
    ("x-forwarded-uri", "/hello?a=b&c=%2Fd"),
    ("sec-fetch-mode", "navigate"),
];

/// Returns the headers of a page view, in which these take the place of those of the same name. A
/// header without a value is removed.
fn page_view_with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let is_changed = |name: &str| changes.iter().any(|change| change.0 == name);
    let kept = PAGE_VIEW.into_iter().filter(|header| !is_changed(header.0));
    kept.chain(changes.iter().copied().filter(|change| !change.1.is_empty())).collect()
}

pub fn with_headers(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

async fn ask(browser: &Browser<'_>, query: &str, headers: &[(&str, &str)]) -> Answer {
    let request = browser.request(Method::GET, &format!("/auth/verify{query}"));
    browser.send(with_headers(request, headers)).await
}

#[track_caller]
pub fn assert_redirect(location: &str, issuer: &str, return_to: &str) {
    let url = Url::parse(location).unwrap();
    let page = location.split('?').next().unwrap();
    assert_eq!(page, format!("{issuer}/sign-in"));
    let query: Vec<_> = url.query_pairs().collect();
    assert_eq!(query, [("return_to".into(), return_to.into())]);
    assert_eq!(url.fragment(), None);
}

#[actix_web::test]
async fn user_who_is_not_signed_in_is_sent_to_the_sign_in_page() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let browser = Browser::new(&app);
    let answer = ask(&browser, "?sign_in=redirect", &PAGE_VIEW).await;
    assert_eq!((answer.status, answer.header("cache-control")), (303, "no-store"));
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert!(vary.contains(&&"Accept, Authorization, Cookie, Sec-Fetch-Mode".parse().unwrap()));
    let return_to = "http://127.0.0.1:8081/hello?a=b&c=%2Fd";
    assert_redirect(answer.header("location"), &app.issuer, return_to);
    // The operator has to ask for it.
    let refused = ask(&browser, "", &PAGE_VIEW).await;
    refused.assert_problem(401, "not_authenticated");

    app.register("ada").await;
    browser.log_in("ada").await;
    for query in ["", "?sign_in=redirect"] {
        let answer = ask(&browser, query, &PAGE_VIEW).await;
        assert_eq!((answer.status, answer.header("x-auth-user")), (200, "ada"));
    }
    // A permission that the user lacks is no reason to sign in again.
    let refused = ask(&browser, "?sign_in=redirect&role=admin", &PAGE_VIEW).await;
    refused.assert_problem(403, "permission_denied");
    let refused = ask(&browser, "?sign_in=redirect&audience=other", &PAGE_VIEW).await;
    refused.assert_problem(401, "token_not_valid");
    for query in ["?sign_in=", "?sign_in=Redirect", "?sign_in=redirect&sign_in=1"] {
        ask(&browser, query, &PAGE_VIEW).await.assert_fields(&["sign_in"]);
    }

    let ended = browser.cookies.borrow().clone();
    assert_eq!(browser.post("/logout", None).await.status, 204);
    browser.cookies.replace(ended);
    ask(&browser, "", &PAGE_VIEW).await.assert_problem(401, "session_ended");
    assert_eq!(ask(&browser, "?sign_in=redirect", &PAGE_VIEW).await.status, 303);
    browser.cookies.borrow_mut().insert("auth-session".into(), "a.b.c".into());
    assert_eq!(ask(&browser, "?sign_in=redirect", &PAGE_VIEW).await.status, 303);
}

#[actix_web::test]
async fn only_a_browser_that_opens_a_page_is_redirected() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let browser = Browser::new(&app);
    let html = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
    for changes in [
        &[("x-forwarded-method", "HEAD")][..],
        &[("x-forwarded-method", ""), ("x-original-method", "GET")],
        &[("x-forwarded-method", "")],
        &[("sec-fetch-mode", "navigate"), ("accept", "*/*")],
        &[("sec-fetch-mode", ""), ("accept", html)],
        &[("sec-fetch-mode", ""), ("accept", "application/json, TEXT/HTML; charset=utf-8")],
    ] {
        let answer = ask(&browser, "?sign_in=redirect", &page_view_with(changes)).await;
        assert_eq!(answer.status, 303, "{changes:?}");
    }
    for changes in [
        &[("x-forwarded-method", "POST")][..],
        &[("x-forwarded-method", "OPTIONS")],
        &[("x-forwarded-method", "get")],
        &[("x-forwarded-method", "GET"), ("x-original-method", "POST")],
        &[("sec-fetch-mode", "cors"), ("accept", html)],
        &[("sec-fetch-mode", "websocket"), ("accept", html)],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")],
        &[("sec-fetch-mode", "")],
        &[("sec-fetch-mode", ""), ("accept", "*/*")],
        &[("sec-fetch-mode", ""), ("accept", "application/json")],
        &[("sec-fetch-mode", ""), ("accept", "text/htmlx, text/plain")],
        // A sign-in sets a cookie, and the header would still decide.
        &[("authorization", "Bearer a.b.c")],
        &[("authorization", "Basic YTpi")],
    ] {
        let answer = ask(&browser, "?sign_in=redirect", &page_view_with(changes)).await;
        assert_eq!(answer.status, 401, "{changes:?}");
        assert!(answer.headers.contains_key("www-authenticate"), "{changes:?}");
    }
}

#[actix_web::test]
async fn user_is_not_sent_back_to_a_stranger() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let browser = Browser::new(&app);
    for changes in [
        &[("x-forwarded-host", "evil.example")][..],
        &[("x-forwarded-host", "127.0.0.1:8082")],
        &[("x-forwarded-host", "127.0.0.1:8081@evil.example")],
        &[("x-forwarded-host", "evil.example\\@127.0.0.1:8081")],
        &[("x-forwarded-host", "127.0.0.1:8081, evil.example")],
        &[("x-forwarded-host", "127.0.0.1:8081"), ("x-forwarded-host", "evil.example")],
        &[("x-forwarded-host", "127.0.0.1:8081"), ("x-forwarded-host", "127.0.0.1:8081")],
        &[("x-forwarded-host", "user@127.0.0.1:8081")],
        &[("x-forwarded-host", "localhost:8081")],
        &[("x-forwarded-host", "")],
        &[("x-forwarded-proto", "https")],
        &[("x-forwarded-proto", "http,https")],
        &[("x-forwarded-proto", "javascript")],
        &[("x-forwarded-proto", "")],
        &[("x-forwarded-uri", "@evil.example/")],
        &[("x-forwarded-uri", ".evil.example/")],
        &[("x-forwarded-uri", "/\\evil.example")],
        &[("x-forwarded-uri", "")],
    ] {
        let answer = ask(&browser, "?sign_in=redirect", &page_view_with(changes)).await;
        assert_eq!(answer.status, 401, "{changes:?}");
        assert_eq!(answer.header("location"), "", "{changes:?}");
    }
    let changes = page_view_with(&[("x-forwarded-uri", "//evil.example/@evil.example")]);
    let answer = ask(&browser, "?sign_in=redirect", &changes).await;
    let return_to = "http://127.0.0.1:8081//evil.example/@evil.example";
    assert_redirect(answer.header("location"), &app.issuer, return_to);
}

#[actix_web::test]
async fn service_on_the_issuers_origin_or_another_host() {
    let issuer = "https://example.com/auth";
    let other = "--browser-origins=https://tool.example.com";
    let app = TestApp::embedded_with(&["--issuer", issuer, other]).await;
    let browser = Browser::new(&app);
    let at = |host| [("x-forwarded-proto", "https"), ("x-forwarded-host", host)];
    let answer = ask(&browser, "?sign_in=redirect", &page_view_with(&at("example.com"))).await;
    let return_to = "https://example.com/hello?a=b&c=%2Fd";
    assert_redirect(answer.header("location"), issuer, return_to);
    // Browsers send the issuer's cookie to no other host, so the redirect would have no end.
    let answer = ask(&browser, "?sign_in=redirect", &page_view_with(&at("tool.example.com"))).await;
    answer.assert_problem(401, "not_authenticated");

    let app = TestApp::embedded_with(&["--issuer=http://auth.example.com"]).await;
    let browser = Browser::new(&app);
    let headers = page_view_with(&[("x-forwarded-host", "auth.example.com")]);
    let answer = ask(&browser, "?sign_in=redirect", &headers).await;
    answer.assert_problem(401, "not_authenticated");
}

#[actix_web::test]
async fn outage_of_redis_is_no_reason_to_sign_in() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[TRUSTED]).await;
    let browser = Browser::of_new_user(&app, "ada").await;
    redis.stop();
    let answer = ask(&browser, "?sign_in=redirect", &PAGE_VIEW).await;
    answer.assert_problem(503, "unavailable");
}

#[actix_web::test]
async fn log_names_the_setting_that_a_redirect_needs() {
    let data = temp_dir();
    let issuer = "http://127.0.0.1:8080";
    let env = [("DATA_DIR", data.path().to_str().unwrap()), ("ISSUER", issuer)];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    for target in ["/hello?code=secret", "/hello"] {
        let request = client.request(Method::GET, "/auth/verify?sign_in=redirect");
        let headers = page_view_with(&[("x-forwarded-uri", target)]);
        let answer = client.send(with_headers(request, &headers)).await;
        answer.assert_problem(401, "not_authenticated");
    }
    // The line of the second request follows all warnings.
    client.get("/me", None).await.assert_problem(401, "not_authenticated");
    let log = process.wait_for_log("GET /me 401");
    let is_warning = |line: &&str| line.contains("no redirect from");
    let warnings: Vec<&str> = log.lines().filter(is_warning).collect();
    let [warning] = warnings[..] else { panic!("not one warning: {log}") };
    assert!(warning.contains("http://127.0.0.1:8081") && warning.contains("BROWSER_ORIGINS"));
    assert!(!log.contains("secret"), "{log}");
}

#[actix_web::test]
async fn page_of_another_site_may_not_use_the_cookie() {
    let app = TestApp::embedded_with(&[TRUSTED]).await;
    let browser = Browser::of_new_user(&app, "ada").await;
    let issuer: &'static str = app.issuer.clone().leak();
    let method = "x-forwarded-method";
    for headers in [
        &[][..],
        &[(method, "GET")],
        &[("x-original-method", "HEAD"), ("sec-fetch-site", "cross-site")],
        &[(method, "OPTIONS")],
        &[(method, "POST"), ("origin", issuer)],
        &[(method, "DELETE"), ("origin", TOOL), ("sec-fetch-site", "same-site")],
        &[(method, "GET"), ("origin", TOOL), ("upgrade", "websocket")],
        &[(method, "POST"), ("sec-fetch-site", "same-origin")],
        &[("origin", TOOL)],
    ] {
        let answer = ask(&browser, "", headers).await;
        assert_eq!((answer.status, answer.header("x-auth-user")), (200, "ada"), "{headers:?}");
    }
    let tokens = app.login("ada").await.tokens();
    for headers in [
        &[(method, "POST"), ("origin", EVIL)][..],
        &[(method, "POST"), ("origin", "null"), ("sec-fetch-site", "same-origin")],
        &[(method, "POST")],
        &[("x-original-method", "PUT")],
        &[(method, "post")],
        &[(method, "POST"), ("sec-fetch-site", "same-site")],
        &[(method, "POST"), ("sec-fetch-site", "none")],
        &[(method, "GET"), ("x-original-method", "POST")],
        &[(method, "POST"), ("x-original-method", "GET")],
        // A WebSocket, which browsers open with GET and without a preflight.
        &[(method, "GET"), ("origin", EVIL), ("upgrade", "websocket")],
        &[(method, "GET"), ("origin", "http://127.0.0.1:8082")],
        &[("origin", TOOL), ("origin", EVIL)],
        &[("origin", "")],
    ] {
        for query in ["", "?sign_in=redirect"] {
            let answer = ask(&browser, query, headers).await;
            answer.assert_problem(403, "foreign_origin");
        }
        // A token is no cookie: a page of another site cannot send it.
        let request = browser.request(Method::GET, "/auth/verify").bearer_auth(&tokens.access);
        let answer = app.send(with_headers(request, headers)).await;
        assert_eq!(answer.status, 200, "{headers:?}");
    }
    browser.assert_signed_in().await;
}
