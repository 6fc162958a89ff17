//! The owner of a former email address takes an account back from a thief.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;
use test_support::{Answer, MailServer, wait_until};

use crate::support::{
    TestApp,
    mail::{PASSWORD, change_email, deployed_with_mail, embedded_with_mail},
    on_both_stores,
};

const OWNER: &str = "ada@example.com";
const THIEF: &str = "thief@example.org";
const CONFIRM: &str = "Confirm your new email address";
const NOTICE: &str = "The email address of your account was changed";
const RESET: &str = "Set a new password";
const NEXT: &str = "a better horse battery";

async fn undo(app: &TestApp, email: &str, code: &str) -> Answer {
    app.post("/email/change/undo", json!({"email": email, "code": code})).await
}

async fn owner_takes_the_account_back(app: TestApp, server: MailServer) {
    let tokens = app.new_user("ada").await;
    let code = change_email(&app, &server, &tokens.access, OWNER, THIEF).await;
    // The thief has a code for the password, and changes the name.
    app.post("/password/reset", json!({"email": THIEF})).await;
    let of_thief = server.wait_for(THIEF, RESET).await.code();
    let renamed = json!({"username": "stolen"});
    let patch = app.send_with(&tokens.access, reqwest::Method::PATCH, "/me", renamed).await;
    assert_eq!(patch.status, 200);
    let typed = code.replace('-', "").to_lowercase();
    assert_eq!(undo(&app, "ADA@example.com", &typed).await.status, 204);
    app.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.refresh(&tokens.refresh).await.status, 401);
    for name in ["stolen", OWNER, THIEF] {
        app.login_with(name, PASSWORD).await.assert_problem(401, "no_active_account");
    }
    let reset = json!({"email": OWNER, "code": of_thief, "new_password": NEXT});
    TestApp::assert_wrong_code(&app.post("/password/reset/confirm", reset).await);
    let own = server.wait_for(OWNER, RESET).await.code();
    let reset = json!({"email": OWNER, "code": own, "new_password": NEXT});
    assert_eq!(app.post("/password/reset/confirm", reset).await.status, 204);
    let access = app.login_with(OWNER, NEXT).await.tokens().access;
    let me = app.get("/me", Some(&access)).await;
    assert_eq!((&me.json["email"], &me.json["email_verified"]), (&json!(OWNER), &json!(true)));
    TestApp::assert_wrong_code(&undo(&app, OWNER, &code).await);
    assert!(app.event_names("stolen").contains(&"email_change_undone".to_owned()));
}

#[actix_web::test]
async fn owner_takes_the_account_back_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    owner_takes_the_account_back(app, server).await;
}

#[actix_web::test]
async fn owner_takes_the_account_back_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    owner_takes_the_account_back(app, server).await;
}

async fn earliest_owner_wins(app: TestApp, server: MailServer) {
    let access = app.new_user("ada").await.access;
    let of_owner = change_email(&app, &server, &access, OWNER, THIEF).await;
    let of_thief = change_email(&app, &server, &access, THIEF, "second@example.org").await;
    let later =
        change_email(&app, &server, &access, "second@example.org", "third@example.org").await;
    // Neither the password nor a role concerns the codes.
    let body = json!({"old_password": PASSWORD, "new_password": NEXT});
    assert_eq!(app.post_with(&access, "/password", body).await.status, 204);
    let granted = app.cli(&["users", "grant", "ada", "--role", "editor"]);
    assert!(granted.status.success(), "{granted:?}");
    // The thief undoes the last change first.
    assert_eq!(undo(&app, "second@example.org", &later).await.status, 204);
    assert_eq!(undo(&app, OWNER, &of_owner).await.status, 204);
    TestApp::assert_wrong_code(&undo(&app, THIEF, &of_thief).await);
    let shown = app.cli(&["users", "show", "ada"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains(OWNER));
}

#[actix_web::test]
async fn earliest_owner_wins_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    earliest_owner_wins(app, server).await;
}

#[actix_web::test]
async fn earliest_owner_wins_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    earliest_owner_wins(app, server).await;
}

#[actix_web::test]
async fn former_address_is_kept_for_its_owner() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let code = change_email(&app, &server, &access, OWNER, THIEF).await;
    // Neither a registration nor another user can take the address, nor an operator give it.
    let body = json!({"email": "Ada@example.com", "username": "other", "password": PASSWORD});
    let register = app.post("/register", body.clone()).await;
    assert_eq!(register.json["errors"]["email"][0], "A user with that email already exists.");
    let created = app.cli(&["users", "create", "other", "--email", OWNER, "--code"]);
    assert!(!created.status.success());
    let other = app.new_user("grace").await.access;
    let taken = json!({"email": OWNER, "password": PASSWORD});
    assert_eq!(app.post_with(&other, "/email/change", taken).await.status, 202);
    assert_eq!(undo(&app, OWNER, &code).await.status, 204);
    server.wait_for(OWNER, RESET).await;
    assert!(!server.mails().iter().any(|mail| mail.to == [OWNER] && mail.subject == CONFIRM));
    // The address is free once no code can undo the change.
    let access = app.login("grace").await.tokens().access;
    let body = json!({"email": "grace@example.org", "password": PASSWORD});
    assert_eq!(app.post_with(&access, "/email/change", body).await.status, 202);
    let code = server.wait_for("grace@example.org", CONFIRM).await.code();
    let confirmed = app.post_with(&access, "/email/change/confirm", json!({"code": code})).await;
    assert_eq!(confirmed.status, 204);
    let body = json!({"email": "grace@example.com", "username": "other", "password": PASSWORD});
    app.post("/register", body.clone()).await.assert_fields(&["email"]);
    app.advance(604_801);
    assert_eq!(app.post("/register", body).await.status, 201);
}

async fn thief_gets_no_code_when_the_owner_changes_the_address_back(
    app: TestApp,
    server: MailServer,
) {
    let access = app.new_user("ada").await.access;
    let first = change_email(&app, &server, &access, OWNER, "ada@example.org").await;
    let of_owner = change_email(&app, &server, &access, "ada@example.org", THIEF).await;
    let later = change_email(&app, &server, &access, THIEF, "second@example.org").await;
    let body = json!({"email": "ADA@example.org", "password": PASSWORD});
    assert_eq!(app.post_with(&access, "/email/change", body).await.status, 202);
    let code = server.wait_for("ADA@example.org", CONFIRM).await.code();
    let confirm = app.post_with(&access, "/email/change/confirm", json!({"code": code})).await;
    assert_eq!(confirm.status, 204, "{confirm:?}");
    let left = "Your account has its former email address again";
    server.wait_for("second@example.org", left).await;
    assert_eq!(app.get("/me", Some(&access)).await.json["email"], "ADA@example.org");
    for (email, code) in [(THIEF, &later), ("ada@example.org", &of_owner)] {
        TestApp::assert_wrong_code(&undo(&app, email, code).await);
    }
    let notices = server.mails().into_iter().filter(|mail| mail.subject == NOTICE);
    assert_eq!(notices.filter(|mail| mail.to == ["second@example.org"]).count(), 0);
    // The change before can still be undone.
    assert_eq!(undo(&app, OWNER, &first).await.status, 204);
}

#[actix_web::test]
async fn thief_gets_no_code_when_the_owner_changes_the_address_back_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    thief_gets_no_code_when_the_owner_changes_the_address_back(app, server).await;
}

#[actix_web::test]
async fn thief_gets_no_code_when_the_owner_changes_the_address_back_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    thief_gets_no_code_when_the_owner_changes_the_address_back(app, server).await;
}

#[actix_web::test]
async fn refused_codes_get_one_answer() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let code = change_email(&app, &server, &access, OWNER, THIEF).await;
    for (email, code) in [
        (THIEF, &*code),
        ("unknown@example.com", &code),
        (OWNER, "0000-0000-0000"),
        (OWNER, "no code"),
        (OWNER, "' OR 1=1 --"),
    ] {
        TestApp::assert_wrong_code(&undo(&app, email, code).await);
    }
    app.advance(604_801);
    TestApp::assert_wrong_code(&undo(&app, OWNER, &code).await);
}

#[apply(on_both_stores)]
async fn wrong_codes_count_for_the_address_of_the_client(app: TestApp) {
    let app = app.replica_with(|settings| settings.login_failures_per_address = 3).await;
    app.wait_for_status("/readyz", 200).await;
    for _ in 0..3 {
        let body = json!({"email": OWNER, "code": "0000-0000-0000"});
        assert_eq!(app.post("/email/change/undo", body).await.status, 400);
    }
    let body = json!({"email": OWNER, "code": "0000-0000-0000"});
    app.post("/email/change/undo", body).await.assert_problem(429, "throttled");
}

#[actix_web::test]
async fn one_of_many_uses_undoes_the_change() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let code = change_email(&app, &server, &access, OWNER, THIEF).await;
    let answers = join_all((0..50).map(|_| undo(&app, OWNER, &code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [204, 400].contains(&answer.status)), "{answers:?}");
    server.wait_for(OWNER, RESET).await;
    let is_done = async || crate::metrics::metric(&app, "auth_outbox_pending").await == 0.0;
    wait_until("an empty outbox", is_done).await;
    assert_eq!(server.mails().iter().filter(|mail| mail.subject == RESET).count(), 1);
}
