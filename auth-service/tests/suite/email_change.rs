//! A user changes the email address with a code that is mailed to the new one.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use test_support::{MailServer, wait_until};

use crate::support::{
    TestApp,
    mail::{PASSWORD, deployed_with_mail, email_change_code, embedded_with_mail},
};

const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.org";
const CONFIRM: &str = "Confirm your new email address";
const CHANGED: &str = "Your account has a new email address";
const NOTICE: &str = "The email address of your account was changed";

async fn user_changes_the_address(app: TestApp, server: MailServer) {
    let access = app.new_user("ada").await.access;
    app.post("/password/reset", json!({"email": OLD})).await;
    let reset = server.wait_for(OLD, "Set a new password").await.code();
    let code = email_change_code(&app, &server, &access, "Ada@example.org").await;
    // The request changes nothing.
    let me = app.get("/me", Some(&access)).await;
    assert_eq!((&me.json["email"], &me.json["email_verified"]), (&json!(OLD), &json!(false)));
    let typed = json!({"code": code.replace('-', " ").to_lowercase()});
    let confirmed = app.post_with(&access, "/email/change/confirm", typed).await;
    assert_eq!(confirmed.status, 204, "{confirmed:?}");
    let me = app.get("/me", Some(&access)).await;
    assert_eq!(me.json["email"], "Ada@example.org");
    assert_eq!(me.json["email_verified"], true);
    server.wait_for("Ada@example.org", CHANGED).await;
    let notice = server.wait_for(OLD, NOTICE).await;
    let link = format!("{}/undo-email-change?email=ada%40example.com&code=", app.issuer);
    assert!(notice.link().starts_with(&link), "{}", notice.link());
    assert!(notice.text.contains("valid for 7 days"), "{}", notice.text);
    assert!(!notice.text.to_lowercase().contains("example.org"), "{}", notice.text);
    assert_eq!(app.login_with(NEW, PASSWORD).await.status, 200);
    app.login_with(OLD, PASSWORD).await.assert_problem(401, "no_active_account");
    // A code that was mailed to the former address is void.
    for email in [OLD, NEW] {
        let body = json!({"email": email, "code": reset, "new_password": "a better horse battery"});
        TestApp::assert_wrong_code(&app.post("/password/reset/confirm", body).await);
    }
    let again = app.post_with(&access, "/email/change/confirm", json!({"code": code})).await;
    TestApp::assert_wrong_code(&again);
    let events = app.event_names("ada");
    assert!(events.contains(&"email_changed".to_owned()), "{events:?}");
    assert!(events.contains(&"email_change_failed".to_owned()), "{events:?}");
}

#[actix_web::test]
async fn user_changes_the_address_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    user_changes_the_address(app, server).await;
}

#[actix_web::test]
async fn user_changes_the_address_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    user_changes_the_address(app, server).await;
}

#[actix_web::test]
async fn request_needs_the_current_password_and_counts_wrong_ones() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let body = |password: &str| json!({"email": NEW, "password": password});
    for _ in 0..5 {
        let wrong = app.post_with(&access, "/email/change", body("wrong horse battery")).await;
        assert_eq!(wrong.json["errors"], json!({"password": ["The password is wrong."]}));
        assert_eq!(wrong.status, 400);
    }
    let refused = app.post_with(&access, "/email/change", body(PASSWORD)).await;
    refused.assert_problem(429, "throttled");
    // The counter is that of the session: the user can log in, and has another counter then.
    let access = app.login("ada").await.tokens().access;
    assert_eq!(app.post_with(&access, "/email/change", body(PASSWORD)).await.status, 202);
    server.wait_for(NEW, CONFIRM).await;
    let events = app.event_names("ada");
    assert_eq!(events.iter().filter(|name| *name == "reauthentication_failed").count(), 5);
}

#[actix_web::test]
async fn taken_address_gets_the_same_answer_and_no_mail() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    app.new_user("grace").await;
    let taken = json!({"email": "GRACE@example.com", "password": PASSWORD});
    let of_taken = app.post_with(&access, "/email/change", taken).await;
    let free = json!({"email": NEW, "password": PASSWORD});
    let of_free = app.post_with(&access, "/email/change", free).await;
    assert_eq!((of_taken.status, of_taken.json), (of_free.status, of_free.json));
    server.wait_for(NEW, CONFIRM).await;
    assert_eq!(server.mails().len(), 1);
}

#[actix_web::test]
async fn address_that_is_taken_meanwhile_is_refused_like_a_wrong_code() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let code = email_change_code(&app, &server, &access, NEW).await;
    let body = json!({"email": NEW, "username": "grace", "password": PASSWORD});
    assert_eq!(app.post("/register", body).await.status, 201);
    let confirmed = app.post_with(&access, "/email/change/confirm", json!({"code": code})).await;
    TestApp::assert_wrong_code(&confirmed);
    assert_eq!(app.get("/me", Some(&access)).await.json["email"], OLD);
}

#[actix_web::test]
async fn codes_are_void_for_other_users_purposes_and_states() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let other = app.new_user("grace").await.access;
    let confirm = async |access: &str, code: &str| {
        app.post_with(access, "/email/change/confirm", json!({"code": code})).await
    };
    let code = email_change_code(&app, &server, &access, NEW).await;
    TestApp::assert_wrong_code(&confirm(&other, &code).await);
    let verify = json!({"email": OLD, "code": code});
    TestApp::assert_wrong_code(&app.post("/email/verify/confirm", verify).await);
    let undo = json!({"email": NEW, "code": code});
    TestApp::assert_wrong_code(&app.post("/email/change/undo", undo).await);
    app.post_with(&access, "/email/verify/request", json!({})).await;
    let verification = server.wait_for(OLD, "Confirm your email address").await.code();
    for bad in [&*verification, "0000-0000-0000", "7K3M", "no code", &"0".repeat(9999)] {
        TestApp::assert_wrong_code(&confirm(&access, bad).await);
    }
    // A new code voids the one before.
    let newer = email_change_code(&app, &server, &access, "ada@example.net").await;
    TestApp::assert_wrong_code(&confirm(&access, &code).await);
    // A change of password voids the code.
    let change = json!({
        "old_password": PASSWORD, "new_password": "a better horse battery", "keep_session": true
    });
    let access = app.post_with(&access, "/password", change).await.tokens().access;
    TestApp::assert_wrong_code(&confirm(&access, &newer).await);
    // A code is void after its lifetime.
    let body = json!({"email": NEW, "password": "a better horse battery"});
    assert_eq!(app.post_with(&access, "/email/change", body).await.status, 202);
    let mails = async || server.mails().iter().filter(|mail| mail.to == [NEW]).count() == 2;
    wait_until("another mail", mails).await;
    let late = server.wait_for(NEW, CONFIRM).await.code();
    app.advance(3601);
    let access = app.login_with("ada", "a better horse battery").await.tokens().access;
    TestApp::assert_wrong_code(&confirm(&access, &late).await);
}

#[actix_web::test]
async fn bad_requests_are_refused() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    for (path, body, fields) in [
        ("/email/change", json!({}), &["email", "password"][..]),
        ("/email/change", json!({"email": "no address", "password": PASSWORD}), &["email"]),
        (
            "/email/change",
            json!({"email": "a\r\nBcc: b@example.com", "password": ""}),
            &["email", "password"],
        ),
        ("/email/change", json!({"email": null, "password": 1}), &["email", "password"]),
        ("/email/change/confirm", json!({}), &["code"]),
        ("/email/change/confirm", json!({"code": ""}), &["code"]),
        ("/email/change/confirm", json!({"code": 7}), &["code"]),
        ("/email/change/undo", json!({}), &["code", "email"]),
        ("/email/change/undo", json!({"email": "x", "code": "x"}), &["email"]),
    ] {
        app.post_with(&access, path, body).await.assert_fields(fields);
    }
    for path in ["/email/change", "/email/change/confirm"] {
        app.post(path, json!({})).await.assert_problem(401, "not_authenticated");
        app.get(path, Some(&access)).await.assert_problem(405, "method_not_allowed");
    }
    let raw = app.request(Method::POST, "/email/change").bearer_auth(&access);
    let raw = app.send(raw.header("content-type", "text/plain").body("x")).await;
    raw.assert_problem(415, "unsupported_media_type");
}

async fn one_of_many_confirmations_wins(app: TestApp, server: MailServer) {
    let access = app.new_user("ada").await.access;
    let code = email_change_code(&app, &server, &access, NEW).await;
    let body = json!({"code": code});
    let confirm = || app.post_with(&access, "/email/change/confirm", body.clone());
    let answers = join_all((0..50).map(|_| confirm())).await;
    let won = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!(won, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        TestApp::assert_wrong_code(answer);
    }
    server.wait_for(OLD, NOTICE).await;
    server.wait_for(NEW, CHANGED).await;
    let notices = server.mails().iter().filter(|mail| mail.subject == NOTICE).count();
    assert_eq!(notices, 1);
}

#[actix_web::test]
async fn one_of_many_confirmations_wins_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    one_of_many_confirmations_wins(app, server).await;
}

#[actix_web::test]
async fn one_of_many_confirmations_wins_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    one_of_many_confirmations_wins(app, server).await;
}

#[actix_web::test]
async fn one_of_many_users_gets_an_address() {
    let (app, server) = deployed_with_mail(&[]).await;
    let mut codes = Vec::new();
    for name in ["ada", "grace", "mary", "joan"] {
        let access = app.new_user(name).await.access;
        let before = server.mails().len();
        let body = json!({"email": NEW, "password": PASSWORD});
        assert_eq!(app.post_with(&access, "/email/change", body).await.status, 202);
        let mail = async || server.mails().len() > before;
        wait_until("a mail", mail).await;
        codes.push((access, server.wait_for(NEW, CONFIRM).await.code()));
    }
    let confirm = |(access, code): &(String, String)| {
        let (app, access, body) = (&app, access.clone(), json!({"code": code}));
        async move { app.post_with(&access, "/email/change/confirm", body).await }
    };
    let answers = join_all(codes.iter().map(confirm)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        TestApp::assert_wrong_code(answer);
    }
}

#[actix_web::test]
async fn many_accounts_cannot_fill_a_mailbox() {
    let (app, server) = embedded_with_mail(&["--login-failures-per-address=0"]).await;
    let mut accesses = Vec::new();
    for name in ["ada", "grace", "mary"] {
        accesses.push(app.new_user(name).await.access);
    }
    for round in 0..5 {
        for access in &accesses {
            let body = json!({"email": "victim@example.org", "password": PASSWORD});
            assert_eq!(app.post_with(access, "/email/change", body).await.status, 202, "{round}");
        }
    }
    let of_victim =
        || server.mails().iter().filter(|mail| mail.to == ["victim@example.org"]).count();
    wait_until("10 mails", async || of_victim() == 10).await;
    // A mail to another address follows them, so no other mail is on its way.
    email_change_code(&app, &server, &accesses[0], NEW).await;
    assert_eq!(of_victim(), 10);
}

#[actix_web::test]
async fn present_address_is_refused_and_another_spelling_undoes_nothing() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let same = json!({"email": OLD, "password": PASSWORD});
    let refused = app.post_with(&access, "/email/change", same).await;
    refused.assert_fields(&["email"]);
    assert_eq!(refused.json["errors"]["email"], json!(["This is your address already."]));
    let code = email_change_code(&app, &server, &access, "Ada@example.com").await;
    let confirmed = app.post_with(&access, "/email/change/confirm", json!({"code": code})).await;
    assert_eq!(confirmed.status, 204);
    server.wait_for("Ada@example.com", CHANGED).await;
    assert_eq!(app.get("/me", Some(&access)).await.json["email"], "Ada@example.com");
    assert!(server.mails().iter().all(|mail| mail.subject != NOTICE));
}

#[actix_web::test]
async fn invitation_for_a_kept_address_is_refused() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let code = email_change_code(&app, &server, &access, NEW).await;
    let confirmed = app.post_with(&access, "/email/change/confirm", json!({"code": code})).await;
    assert_eq!(confirmed.status, 204);
    let error = app.users_error(&["invite", OLD]);
    assert!(error.contains("can still undo a change of the address"), "{error}");
    let error = app.users_error(&["invite", NEW]);
    assert!(error.contains("another user has this email address"), "{error}");
}

#[actix_web::test]
async fn one_user_cannot_mail_codes_to_many_addresses() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    for number in 0..11 {
        let email = format!("victim{number}@example.org");
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(app.post_with(&access, "/email/change", body).await.status, 202);
        // The order of the mails is the order of the requests.
        if number < 10 {
            server.wait_for(&email, CONFIRM).await;
        }
    }
    let other = app.new_user("grace").await.access;
    email_change_code(&app, &server, &other, NEW).await;
    assert_eq!(server.mails().len(), 11);
}

async fn taken_address_leaves_the_same_traces(app: TestApp, server: MailServer) {
    // Mails stay in the outbox.
    server.set_fault("refuse-rcpt");
    let access = app.new_user("ada").await.access;
    app.new_user("grace").await;
    let codes = || app.event_names("ada").iter().filter(|name| *name == "code_mailed").count();
    let mut traces = Vec::new();
    for (number, email) in ["grace@example.com", NEW].into_iter().enumerate() {
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(app.post_with(&access, "/email/change", body).await.status, 202);
        wait_until("an event", async || codes() == number + 1).await;
        let export = app.get("/me/export", Some(&access)).await.json;
        let code = &export["one_time_codes"][0];
        assert_eq!(
            (&code["purpose"], &code["email"]),
            (&json!("change_email"), &json!(email)),
            "{export}"
        );
        let number_of = |member: &str| export[member].as_array().unwrap().len();
        traces.push((number_of("one_time_codes"), number_of("messages")));
    }
    assert_eq!(traces, [(1, 0), (1, 0)]);
    server.set_fault("none");
    app.advance(60);
    server.wait_for(NEW, CONFIRM).await;
    assert_eq!(server.mails().len(), 1);
}

#[actix_web::test]
async fn taken_address_leaves_the_same_traces_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    taken_address_leaves_the_same_traces(app, server).await;
}

#[actix_web::test]
async fn taken_address_leaves_the_same_traces_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    taken_address_leaves_the_same_traces(app, server).await;
}
