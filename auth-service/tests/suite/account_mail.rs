//! Mails with one-time codes: a user verifies the email address, or sets a new password.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use test_support::{Client, MailServer, wait_until};

use crate::{
    metrics::metric,
    support::{
        TestApp,
        mail::{PASSWORD, deployed_with_mail, embedded_with_mail, wait_for_mails},
    },
};

const EMAIL: &str = "ada@example.com";
const VERIFY: &str = "Confirm your email address";
const RESET: &str = "Set a new password";
const CHANGED: &str = "Your password was changed";
const DELETED: &str = "Your account is deleted";
const NEXT: &str = "a better horse battery";

#[actix_web::test]
async fn user_verifies_the_address_with_the_mailed_code() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let me = app.get("/me", Some(&access)).await;
    assert_eq!(me.json["email_verified"], false);
    let asked = {
        let request = app.request(Method::POST, "/email/verify/request").bearer_auth(&access);
        app.send(request.json(&json!({}))).await
    };
    assert_eq!(asked.status, 202);
    let mail = server.wait_for(EMAIL, VERIFY).await;
    let (code, link) = (mail.code(), mail.link());
    assert!(link.starts_with(&format!("{}/verify?email=ada%40example.com&code=", app.issuer)));
    let typed = code.replace('-', " ").to_lowercase();
    let verified = app.post("/email/verify/confirm", json!({"email": EMAIL, "code": typed})).await;
    assert_eq!(verified.status, 204);
    let me = app.get("/me", Some(&access)).await;
    assert_eq!(me.json["email_verified"], true);
    let again = app.post("/email/verify/confirm", json!({"email": EMAIL, "code": code})).await;
    assert_eq!(
        again.json["errors"]["code"][0],
        "The code is wrong, has been used, or has expired."
    );
}

#[actix_web::test]
async fn user_sets_a_new_password_with_the_mailed_code() {
    let (app, server) = deployed_with_mail(&[]).await;
    let tokens = app.new_user("ada").await;
    assert_eq!(app.post("/password/reset", json!({"email": EMAIL})).await.status, 202);
    let code = server.wait_for(EMAIL, RESET).await.code();
    // The request changes nothing.
    assert_eq!(app.login("ada").await.status, 200);
    let reset = json!({"email": EMAIL, "code": code, "new_password": NEXT});
    assert_eq!(app.post("/password/reset/confirm", reset.clone()).await.status, 204);
    assert_eq!(app.login_with("ada", NEXT).await.status, 200);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 401);
    assert_eq!(app.post("/password/reset/confirm", reset).await.status, 400);
}

#[actix_web::test]
async fn codes_are_bound_to_their_purpose_and_user() {
    let (app, server) = deployed_with_mail(&[]).await;
    app.new_user("ada").await;
    app.new_user("grace").await;
    app.post("/email/verify/request", json!({"email": format!(" {EMAIL} ")})).await;
    let code = server.wait_for(EMAIL, VERIFY).await.code();
    let reset = json!({"email": EMAIL, "code": code, "new_password": NEXT});
    assert_eq!(app.post("/password/reset/confirm", reset).await.status, 400);
    let other = json!({"email": "grace@example.com", "code": code});
    assert_eq!(app.post("/email/verify/confirm", other).await.status, 400);
    let own = json!({"email": format!(" {EMAIL}\t"), "code": code});
    assert_eq!(app.post("/email/verify/confirm", own).await.status, 204);
}

#[actix_web::test]
async fn answers_do_not_tell_who_has_an_account() {
    let (app, server) = deployed_with_mail(&[]).await;
    app.new_user("ada").await;
    for path in ["/password/reset", "/email/verify/request"] {
        let known = app.post(path, json!({"email": EMAIL})).await;
        let unknown = app.post(path, json!({"email": "unknown@example.com"})).await;
        assert_eq!((known.status, &known.json), (unknown.status, &unknown.json), "{path}");
        assert_eq!(known.status, 202, "{path}");
    }
    server.wait_for(EMAIL, RESET).await;
    server.wait_for(EMAIL, VERIFY).await;
    let is_to_ada = |mail: &test_support::ReceivedMail| mail.to == [EMAIL];
    assert!(server.mails().iter().all(is_to_ada));
    for (path, body) in [
        ("/password/reset", json!({})),
        ("/password/reset", json!({"email": ""})),
        ("/email/verify/request", json!({})),
        ("/email/verify/request", json!({"email": "no address"})),
        ("/email/verify/confirm", json!({"email": EMAIL})),
        ("/email/verify/confirm", json!({"code": "ABCD-EFGH-JKMN"})),
        ("/email/verify/confirm", json!({"email": EMAIL, "code": "ABCD-EFGH-JKMN"})),
    ] {
        assert_eq!(app.post(path, body.clone()).await.status, 400, "{path} {body}");
    }
}

#[actix_web::test]
async fn mail_is_sent_once_the_mail_server_accepts_it() {
    let (app, server) = deployed_with_mail(&[]).await;
    app.new_user("ada").await;
    server.set_fault("refuse-rcpt");
    app.post("/password/reset", json!({"email": EMAIL})).await;
    let failures = async || metric(&app, "auth_outbox_failures_total").await > 0.0;
    wait_until("a failed attempt", failures).await;
    server.set_fault("none");
    app.advance(60);
    let first = server.wait_for(EMAIL, RESET).await;
    wait_until("an empty outbox", async || metric(&app, "auth_outbox_pending").await == 0.0).await;
    assert_eq!(server.mails().len(), 1, "{first:?}");
}

#[actix_web::test]
async fn a_stranger_cannot_fill_a_mailbox() {
    let (app, server) = deployed_with_mail(&[]).await;
    app.new_user("ada").await;
    for _ in 0..12 {
        app.post("/password/reset", json!({"email": EMAIL})).await;
    }
    let mails = async || server.mails().len() == 10;
    wait_until("10 mails", mails).await;
    wait_until("an empty outbox", async || metric(&app, "auth_outbox_pending").await == 0.0).await;
    assert_eq!(server.mails().len(), 10);
    app.advance(86_401);
    app.post("/password/reset", json!({"email": EMAIL})).await;
    wait_until("another mail", async || server.mails().len() == 11).await;
}

#[actix_web::test]
async fn a_stranger_does_not_use_up_the_codes_of_the_user() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    for _ in 0..11 {
        app.post("/email/verify/request", json!({"email": "ADA@example.com"})).await;
    }
    wait_for_mails(&app, &server, VERIFY, 10).await;
    // Requests with a token are counted apart, and so is each purpose.
    for _ in 0..11 {
        app.post_with(&access, "/email/verify/request", json!({})).await;
    }
    wait_for_mails(&app, &server, VERIFY, 20).await;
    app.post("/password/reset", json!({"email": EMAIL})).await;
    wait_for_mails(&app, &server, RESET, 1).await;
    app.post_with(&access, "/me/delete/request", json!({})).await;
    server.wait_for(EMAIL, "Confirm the deletion of your account").await;
}

#[actix_web::test]
async fn a_stranger_does_not_void_the_code_of_the_user() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    app.post_with(&access, "/email/verify/request", json!({})).await;
    let own = server.wait_for(EMAIL, VERIFY).await.code();
    app.post("/email/verify/request", json!({"email": EMAIL})).await;
    wait_for_mails(&app, &server, VERIFY, 2).await;
    let verified = app.post("/email/verify/confirm", json!({"email": EMAIL, "code": own})).await;
    assert_eq!(verified.status, 204);

    app.post("/password/reset", json!({"email": EMAIL})).await;
    let own = server.wait_for(EMAIL, RESET).await.code();
    for _ in 0..2 {
        app.post("/password/reset", json!({"email": EMAIL})).await;
    }
    wait_for_mails(&app, &server, RESET, 3).await;
    let other = server.wait_for(EMAIL, RESET).await.code();
    assert_eq!(app.confirm(EMAIL, &own, NEXT).await.status, 204);
    TestApp::assert_wrong_code(&app.confirm(EMAIL, &other, NEXT).await);
}

#[actix_web::test]
async fn replicas_together_mail_ten_codes_a_day() {
    let (app, server) = deployed_with_mail(&[]).await;
    let other = app.replica().await;
    app.register("ada").await;
    app.register("grace").await;
    let clients: [&Client; 2] = [&app, &other];
    let ask = |number: usize| clients[number % 2].post("/password/reset", json!({"email": EMAIL}));
    join_all((0..24).map(ask)).await;
    wait_for_mails(&app, &server, RESET, 10).await;
    for client in clients {
        client.post("/password/reset", json!({"email": "grace@example.com"})).await;
    }
    wait_for_mails(&app, &server, RESET, 12).await;
}

async fn accounts_that_are_registered_again_do_not_fill_a_mailbox(
    app: TestApp,
    server: MailServer,
) {
    for number in 0..11 {
        let name = format!("user{number}");
        let body = json!({"username": name, "email": EMAIL, "password": PASSWORD});
        assert_eq!(app.post("/register", body).await.status, 201);
        let access = app.login_with(&name, PASSWORD).await.tokens().access;
        let body = json!({"password": PASSWORD});
        assert_eq!(app.send_with(&access, Method::DELETE, "/me", body).await.status, 204);
    }
    wait_for_mails(&app, &server, VERIFY, 10).await;
    wait_for_mails(&app, &server, DELETED, 10).await;
    let codes = |name| app.audit(&["--user", name, "--event", "registration"])[0]["detail"].clone();
    assert_eq!(codes("user9"), "a code was mailed");
    assert_eq!(codes("user10"), json!(null));
}

const AT_ONCE: [&str; 2] = ["--email-verification=optional", "--account-deletion-grace=0"];

#[actix_web::test]
async fn accounts_that_are_registered_again_do_not_fill_a_mailbox_deployed() {
    let (app, server) = deployed_with_mail(&AT_ONCE).await;
    accounts_that_are_registered_again_do_not_fill_a_mailbox(app, server).await;
}

#[actix_web::test]
async fn accounts_that_are_registered_again_do_not_fill_a_mailbox_embedded() {
    let (app, server) = embedded_with_mail(&AT_ONCE).await;
    accounts_that_are_registered_again_do_not_fill_a_mailbox(app, server).await;
}

#[actix_web::test]
async fn notices_are_limited_until_the_address_is_verified() {
    let (app, server) = deployed_with_mail(&[]).await;
    let mut access = app.new_user("ada").await.access;
    let change = async |access: &str| {
        let body =
            json!({"old_password": PASSWORD, "new_password": PASSWORD, "keep_session": true});
        app.post_with(access, "/password", body).await.tokens().access
    };
    for _ in 0..11 {
        access = change(&access).await;
    }
    wait_for_mails(&app, &server, CHANGED, 10).await;
    // The code of a mail verifies the address.
    app.post("/password/reset", json!({"email": EMAIL})).await;
    let code = server.wait_for(EMAIL, RESET).await.code();
    assert_eq!(app.confirm(EMAIL, &code, PASSWORD).await.status, 204);
    wait_for_mails(&app, &server, CHANGED, 11).await;
    let access = app.login("ada").await.tokens().access;
    change(&access).await;
    wait_for_mails(&app, &server, CHANGED, 12).await;
}

#[actix_web::test]
async fn requests_of_strangers_count_for_the_address_of_the_client() {
    let (app, server) = embedded_with_mail(&["--login-failures-per-address=3"]).await;
    let access = app.new_user("ada").await.access;
    let unknown = "unknown@example.com";
    for (path, email) in [
        ("/password/reset", EMAIL),
        ("/password/reset", unknown),
        ("/email/verify/request", unknown),
    ] {
        assert_eq!(app.post(path, json!({"email": email})).await.status, 202, "{path}");
    }
    for path in ["/password/reset", "/email/verify/request"] {
        let known = app.post(path, json!({"email": EMAIL})).await;
        known.assert_problem(429, "throttled");
        assert!(known.header("retry-after").parse::<u64>().unwrap() > 0, "{known:?}");
        let absent = app.post(path, json!({"email": unknown})).await;
        assert_eq!((absent.status, absent.json), (known.status, known.json), "{path}");
    }
    // A user with a token has the limit of mails alone.
    let asked = app.post_with(&access, "/email/verify/request", json!({})).await;
    assert_eq!(asked.status, 202);
    server.wait_for(EMAIL, VERIFY).await;
    app.advance(1300);
    assert_eq!(app.post("/password/reset", json!({"email": EMAIL})).await.status, 202);
    wait_for_mails(&app, &server, RESET, 2).await;
}
