//! Forms that are sent twice, pages of a session that has ended, and requests that do not fit.

use futures_util::future::join;
use reqwest::Method;
use test_support::RedisServer;

use crate::support::{
    TestApp,
    mail::{PASSWORD, embedded_with_mail},
    page_browser::PageBrowser,
};

#[actix_web::test]
async fn registration_that_is_sent_twice_keeps_the_account_and_its_code() {
    let (app, server) = embedded_with_mail(&["--email-verification=required"]).await;
    let browser = PageBrowser::new(&app);
    let fields = [("username", "rita"), ("email", "rita@example.com"), ("password", PASSWORD)];
    for _ in 0..2 {
        let answer = browser.submit("/sign-up", &fields).await;
        assert_eq!(answer.location(), "/verify?notice=registered_unverified");
    }
    let other =
        [("username", "rita"), ("email", "eve@example.com"), ("password", "not the same 1")];
    browser
        .submit("/sign-up", &other)
        .await
        .assert_wrong("username", "A user with that username already exists.");
    let code = server.wait_for("rita@example.com", "Confirm your email address").await.code();
    let verified =
        browser.submit("/verify", &[("email", "rita@example.com"), ("code", &code)]).await;
    assert_eq!(verified.location(), "/sign-in?notice=verified");
    assert_eq!(browser.sign_in("rita").await.location(), "/account");
}

#[actix_web::test]
async fn change_of_password_that_is_sent_twice_succeeds() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let user = browser.get("/account/password").await.hidden("user");
    let next = "a better horse battery";
    let fields = [("user", &*user), ("old_password", PASSWORD), ("new_password", next)];
    let send = || browser.submit("/account/password", &fields);
    let (first, second) = join(send(), send()).await;
    // A copy that comes later than the change finds its cookie replaced.
    for answer in [&first, &second] {
        let location = answer.location();
        assert!(
            ["/account?notice=password_changed", "/sign-in?return_to=%2Faccount%2Fpassword"]
                .contains(&location),
            "{location}"
        );
    }
    assert_eq!(app.login_with("ada", next).await.status, 200);
}

#[actix_web::test]
async fn deletion_that_is_sent_twice_succeeds() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let user = browser.get("/account/delete").await.hidden("user");
    let fields = [("user", &*user), ("password", PASSWORD)];
    let send = || browser.submit("/account/delete", &fields);
    let (first, second) = join(send(), send()).await;
    for answer in [&first, &second] {
        let location = answer.location();
        assert!(
            ["/sign-in?notice=deletion_begun", "/sign-in?return_to=%2Faccount%2Fdelete"]
                .contains(&location),
            "{location}"
        );
    }
}

#[actix_web::test]
async fn user_signs_out_again_in_another_tab() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let user = browser.get("/sign-out").await.hidden("user");
    let fields = [("user", &*user)];
    for _ in 0..2 {
        let answer = browser.submit("/sign-out", &fields).await;
        assert_eq!(answer.location(), "/sign-in?notice=signed_out");
    }
    assert_eq!(browser.get("/sign-out").await.location(), "/sign-in");
    // A form of the user before does not sign the next one out.
    app.register("grace").await;
    browser.sign_in("grace").await;
    assert_eq!(browser.submit("/sign-out", &fields).await.status, 403);
    assert_eq!(browser.get("/account").await.status, 200);
}

#[actix_web::test]
async fn user_signs_out_while_redis_is_away() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    redis.stop();
    assert_eq!(browser.get("/account").await.status, 503);
    let page = browser.get("/sign-out").await;
    page.assert_shows(200, &["ada"]);
    let answer = browser.submit("/sign-out", &[("user", &page.hidden("user"))]).await;
    assert_eq!(answer.location(), "/sign-in?notice=signed_out");
    redis.restart();
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
}

#[actix_web::test]
async fn pages_ignore_the_credentials_of_a_proxy() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::new(&app);
    let get = |path| browser.send(browser.request(Method::GET, path).basic_auth("a", Some("b")));
    get("/sign-in").await.assert_shows(200, &["<form"]);
    app.register("ada").await;
    browser.sign_in("ada").await;
    get("/account").await.assert_shows(200, &["ada@example.com"]);
    assert_eq!(get("/sign-in").await.location(), "/account");
}

#[actix_web::test]
async fn path_that_does_not_exist_is_a_page_for_people_only() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::new(&app);
    let html = "text/html,application/xhtml+xml,*/*;q=0.8";
    let page = browser.send(browser.request(Method::GET, "/sign_in").header("accept", html)).await;
    page.assert_shows(404, &["This page does not exist", "href=\"/\""]);
    for accept in ["*/*", "application/json"] {
        let request = browser.request(Method::GET, "/sign_in").header("accept", accept);
        let answer = browser.send(request).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, "application/problem+json")
        );
    }
}

#[actix_web::test]
async fn link_cannot_make_a_page_show_a_notice_of_another_page() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let page = browser.get("/account?notice=taken_back").await;
    assert!(!page.body.contains("role=\"status\""), "{}", page.body);
    let page = browser.get("/account?notice=saved").await;
    page.assert_shows(200, &["Your changes are saved."]);
}
