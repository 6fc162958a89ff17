//! Invitations: `auth-service users invite`, and registrations with the code.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, MailServer, claims_of};

use crate::support::{TestApp, mail::mail_args};

const EMAIL: &str = "ada@example.com";
const INVITE: &[&str] = &["--registration=invite"];
const WRONG: &str = "The invitation is wrong, has been used, or has expired.";

impl TestApp {
    /// Invites an address with a printed code.
    fn invite(&self, email: &str, more: &[&str]) -> String {
        let invited = self.users(&[&["invite", email], more].concat());
        invited[0]["code"].as_str().unwrap().to_owned()
    }

    async fn register_invited(&self, username: &str, email: &str, code: &str) -> Answer {
        let body = json!({
            "username": username, "email": email, "password": "correct horse battery",
            "invitation": code
        });
        self.post("/register", body).await
    }
}

#[actix_web::test]
async fn invited_person_registers_with_the_mailed_code() {
    let server = MailServer::start();
    let url = server.url();
    let required = "--email-verification=required";
    let args = mail_args(&url, &["--registration=invite", required]);
    let app = TestApp::deployed_with(&args).await;
    let more = ["--role", "editor", "--scope", "reports:read", "--language", "de"];
    let invite = [&["invite", "Ada@Example.com"], &more[..], &args].concat();
    let invited = app.users(&invite);
    assert_eq!((&invited[0]["way"], invited[0].get("code")), (&json!("mailed"), None));
    let mail = server.wait_for("Ada@example.com", "Ihre Einladung").await;
    let link = format!("{}/sign-up?email=Ada%40Example.com&code={}", app.issuer, mail.code());
    assert_eq!(mail.link(), link);
    let typed = mail.code().to_lowercase().replace('-', " ");
    let registered = app.register_invited("ada", "Ada@Example.com", &typed).await;
    assert_eq!(registered.status, 201);
    // Verified at once, so that the user may log in.
    let access = app.login("ada").await.tokens().access;
    let claims = claims_of(&access);
    assert_eq!((&claims["roles"], &claims["scope"]), (&json!(["editor"]), &json!("reports:read")));
    assert_eq!(app.get("/me", Some(&access)).await.json["email_verified"], true);
    assert_eq!(app.shown("ada")["delete_at"], Value::Null);
    assert_eq!(server.mails().len(), 1);
    let spent = app.register_invited("grace", EMAIL, &mail.code()).await;
    assert_eq!(spent.json["errors"], json!({"invitation": [WRONG]}));
}

#[actix_web::test]
async fn invitation_does_not_verify_another_spelling_of_its_address() {
    let server = MailServer::start();
    let url = server.url();
    let args = mail_args(&url, &["--registration=invite", "--email-verification=required"]);
    let app = TestApp::embedded_with(&args).await;
    app.users(&[&["invite", "Ada@example.com"], &args[..]].concat());
    let code = server.wait_for("Ada@example.com", "Your invitation").await.code();
    assert_eq!(app.register_invited("ada", EMAIL, &code).await.status, 201);
    app.login("ada").await.assert_problem(403, "email_not_verified");
    server.wait_for(EMAIL, "Confirm your email address").await;
}

#[actix_web::test]
async fn registration_without_a_valid_invitation_is_refused() {
    let app = TestApp::embedded_with(INVITE).await;
    let code = app.invite(EMAIL, &[]);
    let answer = app.register("ada").await;
    assert_eq!(answer.json["errors"], json!({"invitation": ["This field is required."]}));
    let refused = async |email: &str, code: &str| {
        let answer = app.register_invited("ada", email, code).await;
        answer.assert_fields(&["invitation"]);
        assert_eq!(answer.json["errors"]["invitation"], json!([WRONG]), "{email} {code}");
    };
    let mut wrong = code.clone();
    wrong.replace_range(0..1, if code.starts_with('A') { "B" } else { "A" });
    for code in [&wrong, "not a code", "ABCD-EFGH-JKMN"] {
        refused(EMAIL, code).await;
    }
    // The code of another address, and of another purpose.
    refused("other@example.com", &code).await;
    app.create_user("grace", &[]);
    refused("grace@example.com", &code).await;
    let reset = app.reset_password("grace");
    refused(EMAIL, &reset).await;
    for bad in [json!(1), json!(null), json!([])] {
        let body = json!({
            "username": "ada", "email": EMAIL, "password": "correct horse battery",
            "invitation": bad
        });
        app.post("/register", body).await.assert_fields(&["invitation"]);
    }
    // A new invitation voids the one before.
    let newer = app.invite("ADA@example.com", &[]);
    refused(EMAIL, &code).await;
    app.users(&["revoke-invitation", EMAIL]);
    refused(EMAIL, &newer).await;
    let error = app.users_error(&["revoke-invitation", EMAIL]);
    assert!(error.contains("there is no invitation for ada@example.com"), "{error}");
    let late = app.invite(EMAIL, &[]);
    app.advance(7 * 86_400 + 1);
    refused(EMAIL, &late).await;
    assert!(app.audit(&["--event", "invitation_refused"]).len() > 5);
}

#[actix_web::test]
async fn refused_registration_does_not_spend_the_invitation() {
    let app = TestApp::deployed_with(INVITE).await;
    app.create_user("grace", &[]);
    let code = app.invite(EMAIL, &[]);
    app.register_invited("grace", EMAIL, &code).await.assert_fields(&["username"]);
    assert_eq!(app.register_invited("ada", EMAIL, &code).await.status, 201);
    app.users_error(&["invite", EMAIL]);
}

#[actix_web::test]
async fn wrong_invitations_count_for_the_address_of_the_client() {
    let app = TestApp::embedded_with(&[INVITE, &["--login-failures-per-address=3"]].concat()).await;
    for _ in 0..3 {
        app.register_invited("ada", EMAIL, "ABCD-EFGH-JKMN").await.assert_fields(&["invitation"]);
    }
    let refused = app.register_invited("ada", EMAIL, "ABCD-EFGH-JKMN").await;
    refused.assert_problem(429, "throttled");
}

async fn one_of_many_uses_wins(app: TestApp) {
    let code = app.invite(EMAIL, &["--role", "admin"]);
    let uses = (0..50).map(|number| {
        let (app, code) = (&app, &code);
        async move { app.register_invited(&format!("user{number}"), EMAIL, code).await }
    });
    let answers = join_all(uses).await;
    let won = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(won, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [201, 400].contains(&answer.status)), "{answers:?}");
    assert_eq!(app.users(&["list"]).len(), 1);
    assert!(app.users(&["invitations"]).is_empty());
}

#[actix_web::test]
async fn one_of_many_uses_wins_deployed() {
    one_of_many_uses_wins(TestApp::deployed_with(&RACE).await).await;
}

#[actix_web::test]
async fn one_of_many_uses_wins_embedded() {
    one_of_many_uses_wins(TestApp::embedded_with(&RACE).await).await;
}

const RACE: [&str; 2] = ["--registration=invite", "--hash-queue=200"];

#[actix_web::test]
async fn printed_invitation_does_not_verify_the_address() {
    let server = MailServer::start();
    let url = server.url();
    let required = "--email-verification=required";
    let args = mail_args(&url, &["--registration=invite", required]);
    let app = TestApp::embedded_with(&args).await;
    let printed = [&["invite", EMAIL, "--print"], &args[..]].concat();
    let code = app.users(&printed)[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(app.register_invited("ada", EMAIL, &code).await.status, 201);
    server.wait_for(EMAIL, "Confirm your email address").await;
    app.login("ada").await.assert_problem(403, "email_not_verified");
    // A visitor with an invitation learns that the address is taken: the operator invited it.
    app.users_error(&["invite", EMAIL]);
}

#[actix_web::test]
async fn open_registration_accepts_invitations_and_closed_refuses_them() {
    let app = TestApp::embedded().await;
    let code = app.invite(EMAIL, &["--role", "editor"]);
    app.register_invited("ada", EMAIL, "ABCD-EFGH-JKMN").await.assert_fields(&["invitation"]);
    assert_eq!(app.register_invited("ada", EMAIL, &code).await.status, 201);
    assert_eq!(app.shown("ada")["roles"], json!(["editor"]));
    assert_eq!(app.register("grace").await.status, 201);
    let closed = TestApp::embedded_with(&["--registration=closed"]).await;
    let code = closed.invite(EMAIL, &[]);
    let refused = closed.register_invited("ada", EMAIL, &code).await;
    refused.assert_problem(403, "registration_closed");
    let error = closed.users_error(&["invite", EMAIL, "--registration=closed"]);
    assert!(error.contains("REGISTRATION is closed"), "{error}");
}

#[actix_web::test]
async fn operator_lists_invitations_without_their_codes() {
    let app = TestApp::deployed_with(INVITE).await;
    let code = app.invite("b@example.com", &["--role", "editor"]);
    app.invite("a@example.com", &[]);
    let list = app.users(&["invitations"]);
    let emails: Vec<&Value> = list.iter().map(|found| &found["email"]).collect();
    assert_eq!(emails, ["a@example.com", "b@example.com"]);
    assert_eq!((&list[1]["roles"], &list[1]["way"]), (&json!(["editor"]), &json!("printed")));
    let page = app.users(&["invitations", "--after", "A@example.com", "--limit", "1"]);
    assert_eq!(page, list[1..]);
    let trail = app.audit(&["--event", "invitation_created"]);
    assert_eq!(trail[0]["detail"], "b@example.com; scopes: ; roles: editor; printed");
    let text = serde_json::to_string(&(list, trail)).unwrap();
    assert!(!text.contains(&code), "{text}");
    let bad = app.users_error(&["invite", "no address"]);
    assert!(bad.contains("Enter a valid email address."), "{bad}");
    let request = app.request(Method::GET, "/register");
    assert_eq!(app.send(request).await.status, 405);
}
