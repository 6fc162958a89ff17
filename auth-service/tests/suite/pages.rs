//! Pages for visitors: sign up, sign in, verify, forgot, reset. Without JavaScript.

use reqwest::Method;

use crate::support::{
    TestApp,
    mail::{PASSWORD, WRONG_CODE, embedded_with_mail},
    page_browser::PageBrowser,
};

const SIGN_UP: [(&str, &str); 3] =
    [("email", "ada@example.com"), ("username", "ada"), ("password", PASSWORD)];

/// Every page that needs no user.
pub const VISITOR_PAGES: [&str; 6] =
    ["/sign-in", "/sign-up", "/verify", "/forgot", "/reset", "/undo-email-change"];

#[actix_web::test]
async fn visitor_signs_up_and_is_signed_in() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::new(&app);
    let home = browser.get("/").await;
    assert_eq!(home.location(), "/sign-in");
    browser.follow(&home).await.assert_shows(200, &["<h1>Sign in</h1>", "href=\"/sign-up\""]);

    let signed_up = browser.submit("/sign-up", &SIGN_UP).await;
    assert_eq!(signed_up.location(), "/sign-in?signed-in=1");
    let checked = browser.follow(&signed_up).await;
    assert_eq!(checked.location(), "/account");
    let account = browser.follow(&checked).await;
    account.assert_shows(200, &["<bdi>ada</bdi>", "<bdi>ada@example.com</bdi>"]);
    assert_eq!(browser.get("/").await.location(), "/account");
    // The form is sent twice by an impatient user: the second answer is that of the first.
    let again = browser.submit("/sign-up", &SIGN_UP).await;
    assert_eq!(again.location(), "/sign-in?signed-in=1");
}

#[actix_web::test]
async fn user_signs_in_by_name_or_address_and_wrong_passwords_are_refused() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    for name in ["ada", " ADA ", "ada@example.com"] {
        let browser = PageBrowser::new(&app);
        let account = browser.sign_in(name).await;
        assert_eq!(account.location(), "/account", "{name}");
    }
    let browser = PageBrowser::new(&app);
    for name in ["ada", "unknown"] {
        let fields = [("username", name), ("password", "wrong <secret>")];
        let refused = browser.submit("/sign-in", &fields).await;
        refused.assert_shows(
            401,
            &[
                "<title>Error: Sign in",
                "The name or the password is wrong.",
                &format!("value=\"{name}\""),
            ],
        );
        assert!(!refused.body.contains("secret"), "{}", refused.body);
        assert_eq!(refused.header("set-cookie"), "");
    }
    let empty = browser.submit("/sign-in", &[("username", ""), ("password", "")]).await;
    empty.assert_wrong("username", "This field may not be blank.");
    empty.assert_wrong("password", "This field may not be blank.");
    assert_eq!(empty.summary(), ["Username or email address", "Password"]);
    browser.submit("/sign-in", &[]).await.assert_wrong("password", "This field is required.");
}

/// The service keeps the page that a visitor first sees.
#[actix_web::test]
async fn sign_in_page_shows_nothing_of_another_request() {
    let app = TestApp::embedded().await;
    let (english, german) = (PageBrowser::new(&app), PageBrowser::in_language(&app, "de"));
    let used =
        ["/sign-in?notice=signed_out", "/sign-in?return_to=%2Fhello", "/sign-in?signed-in=1"];
    let first = english.get("/sign-in").await.body;
    let others = [
        english.submit("/sign-in", &[("username", "grace"), ("password", "wrong")]).await.body,
        english.get(used[0]).await.body,
        english.get(used[1]).await.body,
        english.get(used[2]).await.body,
        german.get("/sign-in").await.body,
    ];
    for other in others {
        assert_ne!(other, first);
        assert_eq!(english.get("/sign-in").await.body, first);
    }
    german.get("/sign-in").await.assert_shows(200, &["<html lang=\"de\">", "<h1>Anmelden</h1>"]);
    english.get(used[0]).await.assert_shows(200, &["You are signed out."]);
    english.get(used[1]).await.assert_shows(200, &["name=\"return_to\""]);
}

#[actix_web::test]
async fn too_many_failures_are_answered_with_the_time_to_wait() {
    let app = TestApp::embedded_with(&["--login-failures-per-address=2"]).await;
    let browser = PageBrowser::new(&app);
    let fields = [("username", "ada"), ("password", "wrong")];
    for _ in 0..2 {
        assert_eq!(browser.submit("/sign-in", &fields).await.status, 401);
    }
    let refused = browser.submit("/sign-in", &fields).await;
    refused.assert_shows(429, &["Too many attempts have failed. Try again in 30 minutes."]);
    assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    let german = PageBrowser::in_language(&app, "de-AT,de;q=0.9");
    let refused = german.submit("/sign-in", &fields).await;
    refused
        .assert_shows(429, &["<html lang=\"de\">", "Versuchen Sie es in 30 Minuten noch einmal"]);
}

#[actix_web::test]
async fn wrong_fields_are_shown_again_without_the_password() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::new(&app);
    let name = "\"><script>alert(1)</script>";
    let fields = [("email", "ada"), ("username", name), ("password", "short")];
    let refused = browser.submit("/sign-up", &fields).await;
    refused.assert_wrong("email", "Enter a valid email address.");
    refused.assert_wrong(
        "password",
        "This password is too short. It must contain at least 8 characters.",
    );
    refused.assert_shows(400, &["<title>Error: Create an account", "value=\"ada\""]);
    assert_eq!(refused.summary(), ["Email address", "Username", "New password"]);
    assert!(!refused.body.contains("<script"), "{}", refused.body);
    assert!(!refused.body.contains("value=\"short\""), "{}", refused.body);
    app.register("grace").await;
    let taken = [("email", "x@example.com"), ("username", "grace"), ("password", PASSWORD)];
    let refused = browser.submit("/sign-up", &taken).await;
    refused.assert_wrong("username", "A user with that username already exists.");
}

#[actix_web::test]
async fn registration_that_is_closed_or_needs_an_invitation_says_so() {
    let closed = TestApp::embedded_with(&["--registration=closed"]).await;
    let browser = PageBrowser::new(&closed);
    let page = browser.get("/sign-up").await;
    page.assert_shows(200, &["Visitors cannot create accounts here."]);
    assert!(!page.body.contains("<form"), "{}", page.body);
    assert!(!browser.get("/sign-in").await.body.contains("/sign-up"));
    browser.submit("/sign-up", &SIGN_UP).await.assert_shows(403, &["Visitors may not create"]);

    let invited = TestApp::embedded_with(&["--registration=invite"]).await;
    let browser = PageBrowser::new(&invited);
    let link = browser.get("/sign-up?email=ada%40example.com&code=7K3M-QX9V-2B4D").await;
    link.assert_shows(200, &["value=\"ada@example.com\"", "value=\"7K3M-QX9V-2B4D\""]);
    let wrong = [&SIGN_UP[..], &[("invitation", "7K3M-QX9V-2B4D")]].concat();
    let refused = browser.submit("/sign-up", &wrong).await;
    let message = "The invitation is wrong, has been used, or has expired.";
    refused.assert_wrong("invitation", message);
    browser.get("/sign-up").await.assert_shows(200, &["id=\"invitation\""]);
}

#[actix_web::test]
async fn address_is_verified_by_a_post_and_never_by_a_get() {
    let (app, server) = embedded_with_mail(&["--email-verification=required"]).await;
    let browser = PageBrowser::new(&app);
    let signed_up = browser.submit("/sign-up", &SIGN_UP).await;
    assert_eq!(signed_up.location(), "/verify?notice=registered_unverified");
    browser.follow(&signed_up).await.assert_shows(200, &["role=\"status\">Almost done"]);
    let code = server.wait_for("ada@example.com", "Confirm your email address").await.code();
    app.register("grace").await;
    let refused = [("username", "grace"), ("password", PASSWORD)];
    let refused = browser.submit("/sign-in", &refused).await;
    assert_eq!(refused.location(), "/verify?notice=unverified");

    let link = format!("/verify?email=ada%40example.com&code={code}");
    for method in [Method::HEAD, Method::GET, Method::GET] {
        let opened = browser.send(browser.request(method, &link)).await;
        assert_eq!(opened.status, 200);
    }
    browser.get(&link).await.assert_shows(200, &[&format!("value=\"{code}\"")]);
    let wrong = [("email", "ada@example.com"), ("code", "7K3M-QX9V-2B4D")];
    browser.submit("/verify", &wrong).await.assert_wrong("code", WRONG_CODE);
    let right = [("email", "ada@example.com"), ("code", code.as_str())];
    let verified = browser.submit("/verify", &right).await;
    assert_eq!(verified.location(), "/sign-in?notice=verified");
    browser.follow(&verified).await.assert_shows(200, &["Your email address is confirmed."]);
    browser.submit("/verify", &right).await.assert_wrong("code", WRONG_CODE);
    assert_eq!(browser.sign_in("ada").await.location(), "/account");
}

#[actix_web::test]
async fn requests_for_codes_have_the_same_answer_for_known_and_unknown_users() {
    let (app, server) = embedded_with_mail(&["--email-verification=optional"]).await;
    app.register("ada").await;
    let browser = PageBrowser::new(&app);
    for name in ["ada", "unknown", "unknown@example.com", "no name at all <x>"] {
        let asked = browser.submit("/forgot", &[("username", name)]).await;
        assert_eq!(asked.location(), "/reset?notice=reset_sent", "{name}");
        assert_eq!(asked.body, "");
    }
    for email in ["ada@example.com", "unknown@example.com"] {
        let asked = browser.submit("/verify", &[("email", email), ("action", "resend")]).await;
        assert_eq!(asked.location(), "/verify?notice=verification_sent", "{email}");
    }
    browser
        .submit("/forgot", &[("username", "")])
        .await
        .assert_wrong("username", "This field may not be blank.");
    let code = server.wait_for("ada@example.com", "Set a new password").await.code();
    let link = format!("/reset?email=ada%40example.com&code={code}");
    let page = browser.get(&link).await;
    page.assert_shows(200, &[&format!("value=\"{code}\""), "value=\"ada@example.com\""]);
    let common = [("username", "ada"), ("code", code.as_str()), ("new_password", "password")];
    let refused = browser.submit("/reset", &common).await;
    refused.assert_wrong("new_password", "This password is too common.");
    let next = "a better horse battery";
    let fields = [("username", "ada"), ("code", code.as_str()), ("new_password", next)];
    let reset = browser.submit("/reset", &fields).await;
    assert_eq!(reset.location(), "/sign-in?notice=password_set");
    browser.submit("/reset", &fields).await.assert_wrong("code", WRONG_CODE);
    let signed_in = [("username", "ada"), ("password", next)];
    assert_eq!(browser.submit("/sign-in", &signed_in).await.location(), "/sign-in?signed-in=1");
}

#[actix_web::test]
async fn browser_without_cookies_gets_a_clear_message() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    let browser = PageBrowser::new(&app);
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let signed_in = browser.submit("/sign-in", &fields).await;
    browser.forget_cookies();
    let page = browser.follow(&signed_in).await;
    page.assert_shows(400, &["Your browser did not keep the cookie", "<form"]);
}
