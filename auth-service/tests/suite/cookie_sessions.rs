//! Sessions that a browser keeps in a cookie.

use crate::support::{
    TestApp,
    browser::{APP_ORIGIN, Browser, ORIGINS},
    on_both_stores,
};
use futures_util::future::join_all;
use reqwest::Method;
use rstest_reuse::{apply, template};
use serde_json::json;
use test_support::{RedisServer, claims_of, wait_until};

/// Runs a test on both stores, with a page of another origin that may act for users.
#[template]
#[rstest::rstest]
#[case::embedded(TestApp::embedded_with(&[ORIGINS]))]
#[case::deployed(TestApp::deployed_with(&[ORIGINS]))]
#[actix_web::test]
async fn on_both_stores_with_an_app(
    #[future(awt)]
    #[case]
    app: TestApp,
) {
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

#[apply(on_both_stores_with_an_app)]
async fn browser_keeps_the_session_in_a_cookie(app: TestApp) {
    let browser = Browser::new(&app);
    app.register("ada").await;
    let answer = browser.log_in("ada").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["username"], "ada");
    assert!(answer.json["tokens"]["access"].is_string());
    assert_eq!(answer.json["tokens"].as_object().unwrap().len(), 1, "no refresh token");
    let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let [session, device] = set[..] else { panic!("{set:?}") };
    let session = session.to_str().unwrap();
    assert!(session.starts_with("auth-session="), "{session}");
    assert!(session.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"), "{session}");
    let device = device.to_str().unwrap();
    assert!(device.ends_with("; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"), "{device}");

    let answer = browser.post_from(APP_ORIGIN, "/token/refresh", None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json.as_object().unwrap().len(), 1, "an access token only");
    assert!(answer.headers.get("set-cookie").is_none());
    let access = answer.json["access"].as_str().unwrap();
    assert_eq!(app.get("/me", Some(access)).await.status, 200);
    assert_eq!(browser.get("/me").await.json["username"], "ada");
    let sessions = browser.get("/sessions").await.json["sessions"].clone();
    assert_eq!(sessions[0]["current"], true);
    assert_eq!(sessions[0]["id"], claims_of(access)["sid"]);

    let answer = browser.post("/logout", None).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("clear-site-data"), "\"cache\", \"storage\"");
    let removed = "auth-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
    assert_eq!(answer.header("set-cookie"), removed);
    app.get("/me", Some(access)).await.assert_problem(401, "token_not_valid");
    browser.get("/me").await.assert_problem(401, "not_authenticated");
}

#[apply(on_both_stores_with_an_app)]
async fn cookie_works_at_every_route_of_an_account(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let body = json!({"username": "countess"});
    let request = browser.request(Method::PATCH, "/me").json(&body);
    let answer = browser.send_from(APP_ORIGIN, request).await;
    assert_eq!(answer.json["username"], "countess", "{answer:?}");
    // A changed name is in force at once.
    assert_eq!(browser.get("/auth/verify").await.header("x-auth-user"), "countess");
    let access = browser.post("/token/refresh", None).await.json["access"].clone();
    assert_eq!(claims_of(access.as_str().unwrap())["preferred_username"], "countess");
    let password = json!({"password": "correct horse battery"});
    let answer = browser.post("/me/reauthenticate", Some(password.clone())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(browser.get("/me/export").await.status, 200);
    assert_eq!(browser.post("/email/verify/request", Some(json!({}))).await.status, 202);
    let request = browser.request(Method::DELETE, "/me").json(&password);
    let answer = browser.send_from(&app.issuer, request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(browser.session(), None);
}

#[apply(on_both_stores_with_an_app)]
async fn session_of_a_cookie_ends_like_any_other(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let other = Browser::new(&app);
    other.log_in("ada").await;
    let cookie = other.session().unwrap();
    assert_eq!(other.post("/logout", None).await.status, 204);
    other.cookies.borrow_mut().insert("auth-session".into(), cookie);
    other.assert_signed_out().await;
    browser.assert_signed_in().await;
    // The cookie of an ended session is no obstacle to the end, nor to a login.
    assert_eq!(other.post("/logout", None).await.status, 204);
    other.log_in("ada").await;
    other.assert_signed_in().await;

    let sessions = browser.get("/sessions").await.json["sessions"].as_array().unwrap().clone();
    let of_other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/sessions/{}", of_other["id"].as_str().unwrap());
    let request = browser.request(Method::DELETE, &path);
    assert_eq!(browser.send_from(&app.issuer, request).await.status, 204);
    other.assert_signed_out().await;

    other.log_in("ada").await;
    assert_eq!(browser.post("/logout/all", None).await.status, 204);
    assert_eq!(browser.session(), None);
    other.assert_signed_out().await;

    other.log_in("ada").await;
    assert!(app.cli(&["users", "disable", "ada"]).status.success());
    // The replica learns of the end from the database.
    let is_ended = async || other.get("/me").await.status == 401;
    wait_until("the session has ended", is_ended).await;
    other.assert_signed_out().await;
}

#[apply(on_both_stores_with_an_app)]
async fn login_ends_the_session_of_the_cookie_that_it_replaces(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let before = browser.copy();
    app.register("grace").await;
    assert_eq!(browser.log_in("grace").await.status, 200);
    browser.assert_signed_in().await;
    before.assert_signed_out().await;
}

#[apply(on_both_stores_with_an_app)]
async fn change_of_password_replaces_the_cookie_that_it_keeps(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let thief = browser.copy();
    let answer = browser.change_password().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json.as_object().unwrap().len(), 1, "an access token only");
    browser.assert_signed_in().await;
    thief.assert_signed_out().await;
    browser.assert_signed_in().await;
}

#[apply(on_both_stores_with_an_app)]
async fn other_sites_may_not_use_the_cookie(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let evil = "https://evil.example";
    for path in ["/token/refresh", "/logout", "/logout/all", "/me/reauthenticate"] {
        for (origin, fetch_site) in [
            (Some(evil), Some("cross-site")),
            (Some(evil), Some("same-origin")),
            (Some("null"), Some("same-origin")),
            (None, Some("same-site")),
            (None, Some("none")),
            (None, None),
        ] {
            let mut request = browser.request(Method::POST, path);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            if let Some(site) = fetch_site {
                request = request.header("sec-fetch-site", site);
            }
            let answer = browser.send(request).await;
            answer.assert_problem(403, "foreign_origin");
        }
        let twice = browser.request(Method::POST, path).header("origin", &app.issuer);
        let answer = browser.send(twice.header("origin", evil)).await;
        answer.assert_problem(403, "foreign_origin");
    }
    browser.assert_signed_in().await;
    // Without an Origin, browsers state that a page of the issuer sends the request.
    let request = browser.request(Method::POST, "/token/refresh");
    let answer = browser.send(request.header("sec-fetch-site", "same-origin")).await;
    assert_eq!(answer.status, 200);
    // Another site reads nothing, whatever it sends.
    let request = browser.request(Method::GET, "/me").header("origin", evil);
    let answer = browser.send(request).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    // A token in the body needs no cookie, and so no trusted page.
    let tokens = app.login("ada").await.tokens();
    let request = browser.request(Method::POST, "/token/refresh").header("origin", evil);
    let answer = browser.send(request.json(&json!({"refresh": tokens.refresh}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[actix_web::test]
async fn other_sites_may_not_log_a_browser_in() {
    let app = TestApp::embedded().await;
    app.register("mallory").await;
    let form = [("username", "mallory"), ("password", "correct horse battery"), ("cookie", "on")];
    for origin in ["https://evil.example", APP_ORIGIN, "null"] {
        let browser = Browser::new(&app);
        let request = app.request(Method::POST, "/login").form(&form);
        browser.send_from(origin, request).await.assert_problem(403, "foreign_origin");
        assert_eq!(browser.session(), None);
    }
    let browser = Browser::new(&app);
    let request = app.request(Method::POST, "/login").form(&form);
    assert_eq!(browser.send_from(&app.issuer, request).await.status, 200);
    browser.assert_signed_in().await;
}

#[actix_web::test]
async fn cookie_is_no_token_and_a_token_is_no_cookie() {
    let app = TestApp::embedded().await;
    let browser = Browser::of_new_user(&app, "ada").await;
    let tokens = app.login("ada").await.tokens();
    let cookies = browser.cookies.borrow().clone();
    for cookie in cookies.values() {
        app.refresh(cookie).await.assert_problem(401, "token_not_valid");
        app.get("/me", Some(cookie)).await.assert_problem(401, "token_not_valid");
        let answer = app.post("/token/verify", json!({"token": cookie})).await;
        answer.assert_problem(401, "token_not_valid");
    }
    for value in [&tokens.refresh, &tokens.access, &cookies["auth-device"], "", "a.b.c"] {
        browser.cookies.borrow_mut().insert("auth-session".into(), value.to_owned());
        browser.assert_signed_out().await;
    }
    // Two cookies of one name: one of them may be from a stranger.
    let session = &cookies["auth-session"];
    let both = format!("auth-session={session}; auth-session={session}");
    let request = app.request(Method::GET, "/me").header("cookie", both);
    app.send(request).await.assert_problem(401, "not_authenticated");
    // An Authorization header decides, even if it is wrong.
    browser.cookies.borrow_mut().insert("auth-session".into(), session.clone());
    let request = browser.request(Method::GET, "/me").bearer_auth("a.b.c");
    app.send(request).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores_with_an_app)]
async fn any_number_of_tabs_refresh_at_once(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let refresh = || browser.post_from(APP_ORIGIN, "/token/refresh", None);
    for answer in join_all((0..10).map(|_| refresh())).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    app.advance(60);
    assert_eq!(refresh().await.status, 200, "long after the grace period of tokens");
    let cookies = browser.cookies.borrow().clone();
    let tabs = join_all((0..10).map(|_| refresh()));
    let (answers, logout) = tokio::join!(tabs, browser.post("/logout", None));
    assert_eq!(logout.status, 204);
    for answer in answers {
        assert!([200, 401].contains(&answer.status), "{answer:?}");
    }
    browser.cookies.replace(cookies);
    browser.assert_signed_out().await;
}

#[apply(on_both_stores_with_an_app)]
async fn cookie_is_renewed_once_an_hour(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    app.advance(HOUR - 1);
    assert!(browser.get("/me").await.headers.get("set-cookie").is_none());
    app.advance(1);
    let answer = browser.get("/me").await;
    assert!(answer.header("set-cookie").contains("Max-Age=604800;"), "{answer:?}");
    assert!(browser.get("/me").await.headers.get("set-cookie").is_none());
    // A user who comes back within the idle lifetime stays signed in.
    for _ in 0..4 {
        app.advance(6 * DAY);
        browser.assert_signed_in().await;
    }
    // The session ends 30 days after the login, however often it is used.
    app.advance(6 * DAY);
    browser.assert_signed_out().await;

    browser.log_in("ada").await;
    app.advance(7 * DAY);
    browser.assert_signed_out().await;
}

#[actix_web::test]
async fn lost_entry_of_session_state_is_restored() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let browser = Browser::of_new_user(&app, "ada").await;
    let ended = Browser::new(&app);
    ended.log_in("ada").await;
    let cookies = ended.cookies.borrow().clone();
    ended.post("/logout", None).await;
    ended.cookies.replace(cookies);
    redis.wipe();
    browser.assert_signed_in().await;
    ended.assert_signed_out().await;
    // Without Redis, no one is signed in by a cookie that may be of an ended session. A logout
    // succeeds.
    redis.stop();
    browser.get("/me").await.assert_problem(503, "unavailable");
    browser.post("/token/refresh", None).await.assert_problem(503, "unavailable");
    assert_eq!(browser.post("/logout", None).await.status, 204);
    assert_eq!(browser.session(), None);
}

#[actix_web::test]
async fn device_cookie_keeps_its_user_out_of_the_delays_of_strangers() {
    let app = TestApp::embedded_with(&["--proxy-hops=1"]).await;
    let browser = Browser::new(&app);
    app.register("ada").await;
    let log_in = |password: &str, ip: &str| {
        let body = json!({"username": "ada", "password": password, "cookie": true});
        let request = browser.request(Method::POST, "/login").json(&body);
        request.header("x-forwarded-for", ip).header("origin", &app.issuer)
    };
    assert_eq!(browser.send(log_in("correct horse battery", "198.51.100.1")).await.status, 200);
    browser.post("/logout", None).await;
    assert!(browser.cookies.borrow().contains_key("auth-device"));
    for ip in 0..5 {
        let body = json!({"username": "ada", "password": "wrong"});
        let request = app.request(Method::POST, "/login").json(&body);
        app.send(request.header("x-forwarded-for", format!("203.0.113.{ip}"))).await;
    }
    let stranger = json!({"username": "ada", "password": "correct horse battery"});
    let request = app.request(Method::POST, "/login").json(&stranger);
    let answer = app.send(request.header("x-forwarded-for", "203.0.113.99")).await;
    answer.assert_problem(429, "throttled");
    let answer = browser.send(log_in("correct horse battery", "203.0.113.77")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[actix_web::test]
async fn logout_removes_a_cookie_that_is_due_to_be_renewed() {
    let app = TestApp::embedded().await;
    for path in ["/logout", "/logout/all", "/sessions/current", "/me"] {
        let name = format!("user{}", path.len());
        let browser = Browser::of_new_user(&app, &name).await;
        let access = browser.post("/token/refresh", None).await.json["access"].clone();
        let sid = claims_of(access.as_str().unwrap())["sid"].as_str().unwrap().to_owned();
        app.advance(2 * HOUR);
        let request = match path {
            "/sessions/current" => browser.request(Method::DELETE, &format!("/sessions/{sid}")),
            "/me" => browser
                .request(Method::DELETE, path)
                .json(&json!({"password": "correct horse battery"})),
            _ => browser.request(Method::POST, path),
        };
        let answer = browser.send_from(&app.issuer, request).await;
        assert!([200, 204].contains(&answer.status), "{path}: {answer:?}");
        let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(set.len(), 1, "{path}: {set:?}");
        assert_eq!(browser.session(), None, "{path}");
        assert_eq!(answer.header("clear-site-data"), "\"cache\", \"storage\"");
    }
}

#[actix_web::test]
async fn cookies_of_other_programs_on_the_host_do_no_harm() {
    let app = TestApp::embedded().await;
    let browser = Browser::of_new_user(&app, "ada").await;
    let cookie = format!("theme=bl\u{e5}b\u{e6}r; auth-session={}", browser.session().unwrap());
    let request = app.request(Method::GET, "/me").header("cookie", cookie.as_bytes());
    assert_eq!(app.send(request).await.status, 200);
}

#[apply(on_both_stores_with_an_app)]
async fn cookie_that_a_change_of_password_replaced_ends_nothing(app: TestApp) {
    let browser = Browser::of_new_user(&app, "ada").await;
    let thief = browser.copy();
    assert_eq!(browser.change_password().await.status, 200);
    assert_eq!(thief.post("/logout", None).await.status, 204);
    browser.assert_signed_in().await;
}

#[actix_web::test]
async fn issuer_decides_about_cookies() {
    let app = TestApp::embedded_with(&["--issuer=https://auth.example.com/auth"]).await;
    let browser = Browser::new(&app);
    app.register("ada").await;
    let body = json!({"username": "ada", "password": "correct horse battery", "cookie": true});
    let origin = "https://auth.example.com";
    let answer = browser.post_from(origin, "/login", Some(body.clone())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"));
    assert_eq!(browser.post_from(origin, "/token/refresh", None).await.status, 200);

    let app = TestApp::embedded_with(&["--issuer=http://auth.example.com"]).await;
    let browser = Browser::new(&app);
    app.register("ada").await;
    let answer = browser.post_from("http://auth.example.com", "/login", Some(body)).await;
    answer.assert_problem(400, "cookies_unavailable");
}

#[apply(on_both_stores)]
async fn requests_without_cookie_or_token_are_refused_as_before(app: TestApp) {
    app.post("/token/refresh", json!({})).await.assert_fields(&["refresh"]);
    app.post("/logout", json!({})).await.assert_problem(401, "not_authenticated");
    let tokens = app.new_user("ada").await;
    let request = app.request(Method::POST, "/logout").bearer_auth(&tokens.access);
    app.send(request.json(&json!({}))).await.assert_fields(&["refresh"]);
}
