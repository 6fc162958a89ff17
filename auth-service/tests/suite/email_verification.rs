//! EMAIL_VERIFICATION: the mail at the registration, logins before the address is verified, and
//! registrations of an address that another person has or claims.

use serde_json::{Value, json};
use test_support::{Answer, MailServer, sql, wait_until};

use crate::{
    metrics::metric,
    support::{
        TestApp,
        mail::{deployed_with_mail, embedded_with_mail, wait_for_mails},
    },
};

const EMAIL: &str = "ada@example.com";
const VERIFY: &str = "Confirm your email address";
const RESET: &str = "Set a new password";
const ALREADY: &str = "You already have an account";
const NEXT: &str = "a better horse battery";

const REQUIRED: &[&str] = &["--email-verification=required"];

impl TestApp {
    async fn register_as(&self, username: &str, email: &str, password: &str) -> Answer {
        let body = json!({"username": username, "email": email, "password": password});
        self.post("/register", body).await
    }

    async fn verify_address(&self, email: &str, code: &str) -> u16 {
        let body = json!({"email": email, "code": code});
        self.post("/email/verify/confirm", body).await.status
    }

    pub fn shown(&self, name: &str) -> Value {
        self.users(&["show", name]).remove(0)
    }
}

/// Waits until no mail is waiting, and returns the number of mails with this subject.
async fn count(app: &TestApp, server: &MailServer, subject: &str) -> usize {
    wait_until("an empty outbox", async || metric(app, "auth_outbox_pending").await == 0.0).await;
    server.mails().iter().filter(|mail| mail.subject == subject).count()
}

#[actix_web::test]
async fn off_mails_nothing_at_the_registration() {
    let (app, server) = embedded_with_mail(&[]).await;
    app.new_user("ada").await;
    app.post("/password/reset", json!({"email": EMAIL})).await;
    server.wait_for(EMAIL, RESET).await;
    assert_eq!(server.mails().len(), 1);
    assert_eq!(app.shown("ada")["delete_at"], Value::Null);
}

#[actix_web::test]
async fn optional_mails_a_code_and_lets_the_user_log_in() {
    let (app, server) = embedded_with_mail(&["--email-verification=optional"]).await;
    let access = app.new_user("ada").await.access;
    let code = server.wait_for(EMAIL, VERIFY).await.code();
    assert_eq!(app.verify_address(EMAIL, &code).await, 204);
    assert_eq!(app.get("/me", Some(&access)).await.json["email_verified"], true);
    app.register("ada").await.assert_fields(&["email", "username"]);
    app.register_as("other", EMAIL, NEXT).await.assert_fields(&["email"]);
}

async fn login_needs_a_verified_address(app: TestApp, server: MailServer) {
    assert_eq!(app.register("ada").await.status, 201);
    let first = server.wait_for(EMAIL, VERIFY).await.code();
    let refused = app.login("ada").await;
    refused.assert_problem(403, "email_not_verified");
    assert_eq!(
        refused.json["detail"],
        "The email address is not verified. A mail with a code is sent, at most ten a day."
    );
    wait_for_mails(&app, &server, VERIFY, 2).await;
    let wrong = app.login_with("ada", "wrong password").await;
    let unknown = app.login_with("unknown", "wrong password").await;
    wrong.assert_problem(401, "no_active_account");
    assert_eq!(wrong.json, unknown.json);
    assert_eq!(count(&app, &server, VERIFY).await, 2);
    // A login voids the code before.
    let fresh = server.wait_for(EMAIL, VERIFY).await.code();
    assert_eq!(app.verify_address(EMAIL, &first).await, 400);
    assert_ne!(app.shown("ada")["delete_at"], Value::Null);
    assert_eq!(app.verify_address(EMAIL, &fresh).await, 204);
    assert_eq!(app.shown("ada")["delete_at"], Value::Null);
    assert_eq!(app.login("ada").await.status, 200);
    let refused = app.audit(&["--event", "login_failed", "--user", "ada"]);
    assert_eq!(refused[0]["detail"], "the email address is not verified");
}

#[actix_web::test]
async fn login_needs_a_verified_address_deployed() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    login_needs_a_verified_address(app, server).await;
}

#[actix_web::test]
async fn login_needs_a_verified_address_embedded() {
    let (app, server) = embedded_with_mail(REQUIRED).await;
    login_needs_a_verified_address(app, server).await;
}

#[actix_web::test]
async fn logins_without_verification_mail_a_limited_number_of_codes() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    app.register("ada").await;
    for _ in 0..13 {
        app.login("ada").await.assert_problem(403, "email_not_verified");
    }
    // The registration mails one code, and the logins mail ten.
    wait_for_mails(&app, &server, VERIFY, 11).await;
    app.users(&["disable", "ada"]);
    app.login("ada").await.assert_problem(401, "no_active_account");
}

async fn registration_does_not_tell_whether_an_address_is_taken(app: TestApp, server: MailServer) {
    assert_eq!(app.register("ada").await.status, 201);
    app.users(&["verify-email", "ada"]);
    let free = app.register_as("grace", "grace@example.com", NEXT).await;
    let taken = app.register_as("other", "ADA@Example.com", NEXT).await;
    assert_eq!((free.status, taken.status), (201, 201));
    let members =
        |answer: &Answer| answer.json.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    assert_eq!(members(&free), members(&taken));
    assert_eq!(
        (&taken.json["email"], &taken.json["username"]),
        (&json!("ADA@Example.com"), &json!("other"))
    );
    assert_eq!(taken.json["id"].as_str().map(str::len), Some(36));
    let mail = server.wait_for(EMAIL, ALREADY).await;
    assert_eq!(mail.link(), format!("{}/forgot", app.issuer));
    assert!(mail.text.starts_with("Hello ada,"), "{}", mail.text);
    app.users_error(&["show", "other"]);
    // Usernames are public, and a taken one does not tell about the address.
    app.register_as("ADA", EMAIL, NEXT).await.assert_fields(&["username"]);
    app.register_as("ADA", "free@example.com", NEXT).await.assert_fields(&["username"]);
    let events = app.audit(&["--user", "ada", "--event", "registration_repeated"]);
    assert_eq!((events.len(), &events[0]["actor"]), (1, &json!("anyone")));
}

#[actix_web::test]
async fn registration_does_not_tell_whether_an_address_is_taken_deployed() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    registration_does_not_tell_whether_an_address_is_taken(app, server).await;
}

#[actix_web::test]
async fn registration_does_not_tell_whether_an_address_is_taken_embedded() {
    let (app, server) = embedded_with_mail(REQUIRED).await;
    registration_does_not_tell_whether_an_address_is_taken(app, server).await;
}

#[actix_web::test]
async fn repeated_registrations_do_not_fill_a_mailbox() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    app.register("ada").await;
    for number in 0..12 {
        let name = format!("other{number}");
        assert_eq!(app.register_as(&name, EMAIL, NEXT).await.status, 201);
    }
    wait_for_mails(&app, &server, ALREADY, 10).await;
    app.users(&["disable", "ada"]);
    app.advance(86_401);
    assert_eq!(app.register_as("another", EMAIL, NEXT).await.status, 201);
    assert_eq!(count(&app, &server, ALREADY).await, 10);
}

#[actix_web::test]
async fn registrations_that_hide_addresses_count_for_the_address_of_the_client() {
    let (app, _server) =
        embedded_with_mail(&[REQUIRED, &["--login-failures-per-address=3"]].concat()).await;
    assert_eq!(app.register("ada").await.status, 201);
    assert_eq!(app.register_as("other", EMAIL, NEXT).await.status, 201);
    assert_eq!(app.register("grace").await.status, 201);
    app.register("hal").await.assert_problem(429, "throttled");
}

#[actix_web::test]
async fn owner_of_the_address_takes_over_an_account_that_another_registered() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    // The thief knows the password.
    app.register("ada").await;
    let code = server.wait_for(EMAIL, VERIFY).await.code();
    assert_eq!(app.register_as("rightful", EMAIL, NEXT).await.status, 201);
    server.wait_for(EMAIL, ALREADY).await;
    app.post("/password/reset", json!({"email": EMAIL})).await;
    let reset = server.wait_for(EMAIL, RESET).await.code();
    assert_eq!(app.confirm(EMAIL, &reset, NEXT).await.status, 204);
    assert_eq!(app.verify_address(EMAIL, &code).await, 400);
    app.login("ada").await.assert_problem(401, "no_active_account");
    assert_eq!(app.login_with(EMAIL, NEXT).await.status, 200);
    let shown = app.shown("ada");
    assert_ne!(shown["email_verified_at"], Value::Null);
    assert_eq!(shown["delete_at"], Value::Null);
    let codes = "SELECT 1 FROM one_time_codes";
    assert_eq!(sql(&app.database.as_ref().unwrap().url(), codes), 0);
    let verified = app.audit(&["--user", "ada", "--event", "email_verified"]);
    assert_eq!(verified[0]["detail"], "with a mailed reset");
}

async fn repeated_registration_voids_the_password_of_an_unverified_account(
    app: TestApp,
    server: MailServer,
) {
    // The thief, and then the owner of the address.
    app.register("ada").await;
    server.wait_for(EMAIL, VERIFY).await;
    assert_eq!(app.register_as("rightful", EMAIL, NEXT).await.status, 201);
    server.wait_for(EMAIL, ALREADY).await;
    app.post("/email/verify/request", json!({"email": EMAIL})).await;
    wait_for_mails(&app, &server, VERIFY, 2).await;
    let mail = server.wait_for(EMAIL, VERIFY).await;
    assert!(mail.text.contains("If you did not register the username ada"), "{}", mail.text);
    assert_eq!(app.verify_address(EMAIL, &mail.code()).await, 204);
    app.login("ada").await.assert_problem(401, "no_active_account");
    app.login_with(EMAIL, NEXT).await.assert_problem(401, "no_active_account");
    app.post("/password/reset", json!({"email": EMAIL})).await;
    let reset = server.wait_for(EMAIL, RESET).await.code();
    assert_eq!(app.confirm(EMAIL, &reset, NEXT).await.status, 204);
    assert_eq!(app.login_with(EMAIL, NEXT).await.status, 200);
    // The password of a verified account stays.
    assert_eq!(app.register_as("another", EMAIL, "a long riverboat song").await.status, 201);
    assert_eq!(app.login_with(EMAIL, NEXT).await.status, 200);
    let repeated = app.audit(&["--user", "ada", "--event", "registration_repeated"]);
    let details: Vec<&Value> = repeated.iter().map(|event| &event["detail"]).collect();
    let voided = Value::from("the address is not verified: the password is void");
    assert_eq!(details.iter().filter(|detail| ***detail == voided).count(), 1, "{details:?}");
}

#[actix_web::test]
async fn repeated_registration_voids_the_password_of_an_unverified_account_deployed() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    repeated_registration_voids_the_password_of_an_unverified_account(app, server).await;
}

#[actix_web::test]
async fn repeated_registration_voids_the_password_of_an_unverified_account_embedded() {
    let (app, server) = embedded_with_mail(REQUIRED).await;
    repeated_registration_voids_the_password_of_an_unverified_account(app, server).await;
}

#[actix_web::test]
async fn wrong_code_is_an_event_and_a_token_of_a_client_is_refused() {
    let (app, _server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    assert_eq!(app.verify_address(EMAIL, "0000-0000-0000").await, 400);
    let wrong = json!({"code": "no code"});
    assert_eq!(app.post_with(&access, "/email/verify/confirm", wrong.clone()).await.status, 400);
    let failed = app.audit(&["--user", "ada", "--event", "email_verification_failed"]);
    let actors: Vec<&Value> = failed.iter().map(|event| &event["actor"]).collect();
    assert_eq!(actors, ["anyone", "user"]);
    let client = app.client("job", &["read"]);
    let token = app.client_token(&client).await;
    for path in ["/email/verify/request", "/email/verify/confirm"] {
        let refused = app.post_with(&token, path, wrong.clone()).await;
        refused.assert_problem(403, "permission_denied");
    }
}

#[actix_web::test]
async fn printed_code_proves_nothing_about_the_address() {
    let (app, server) = deployed_with_mail(REQUIRED).await;
    let code = app.create_user("ada", &[]);
    // A stranger who asks for a mail does not void the code of the operator.
    app.post("/password/reset", json!({"email": EMAIL})).await;
    let mailed = server.wait_for(EMAIL, RESET).await.code();
    assert_eq!(app.confirm("ada", &code, NEXT).await.status, 204);
    app.login_with("ada", NEXT).await.assert_problem(403, "email_not_verified");
    app.confirm("ada", &mailed, NEXT).await.assert_fields(&["code"]);
    let code = app.reset_password("ada");
    assert_eq!(app.confirm("ada", &code, NEXT).await.status, 204);
    assert_eq!(app.shown("ada")["email_verified_at"], Value::Null);
    // A code of the previous version proves nothing either: its row does not state whether it was
    // mailed.
    app.post("/password/reset", json!({"email": EMAIL})).await;
    wait_for_mails(&app, &server, RESET, 2).await;
    let url = app.database.as_ref().unwrap().url();
    sql(&url, "UPDATE one_time_codes SET email = NULL");
    let code = server.wait_for(EMAIL, RESET).await.code();
    assert_eq!(app.confirm("ada", &code, NEXT).await.status, 204);
    assert_eq!(app.shown("ada")["email_verified_at"], Value::Null);
    app.users(&["verify-email", "ada"]);
    assert_eq!(app.login_with("ada", NEXT).await.status, 200);
}

#[actix_web::test]
async fn unverified_accounts_are_deleted() {
    let (app, server) =
        deployed_with_mail(&[REQUIRED, &["--unverified-lifetime=3600"]].concat()).await;
    app.register("ada").await;
    app.register("grace").await;
    let code = server.wait_for("grace@example.com", VERIFY).await.code();
    let url = app.database.as_ref().unwrap().url();
    assert_eq!(sql(&url, "SELECT 1 FROM users WHERE delete_at = created_at + 3600000"), 2);
    assert_eq!(app.verify_address("grace@example.com", &code).await, 204);
    let cleaned = app.cli(&["cleanup"]);
    assert!(cleaned.status.success(), "{cleaned:?}");
    app.shown("ada");
    sql(&url, "UPDATE users SET delete_at = 1 WHERE delete_at IS NOT NULL");
    let cleaned = app.cli(&["cleanup"]);
    assert!(cleaned.status.success(), "{cleaned:?}");
    app.users_error(&["show", "ada"]);
    app.shown("grace");
    // The address and the name are free again.
    assert_eq!(app.register_as("ada", EMAIL, NEXT).await.status, 201);
    app.shown("ada");
}

#[actix_web::test]
async fn sessions_outlast_the_switch_to_required() {
    let (app, _server) = deployed_with_mail(&[]).await;
    let tokens = app.new_user("ada").await;
    let strict = app
        .replica_with(|settings| {
            settings.verification = crate::support::settings(REQUIRED).verification;
        })
        .await;
    strict.wait_for_status("/readyz", 200).await;
    strict.login("ada").await.assert_problem(403, "email_not_verified");
    assert_eq!(strict.refresh(&tokens.refresh).await.status, 200);
    assert_eq!(app.shown("ada")["delete_at"], Value::Null);
}
