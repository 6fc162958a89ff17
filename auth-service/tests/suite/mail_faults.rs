//! A mail server that hangs, refuses, closes connections or is away: no mail is lost, no mail is
//! sent twice without need, and other requests are answered meanwhile.

use serde_json::json;
use test_support::{MailServer, wait_until};

use crate::{
    metrics::metric,
    support::{TestApp, mail::mail_args, settings},
};

const RESET: &str = "Set a new password";
/// Seconds after which every failed first attempt is repeated.
const FIRST_RETRY: u64 = 10;
/// Seconds after which a message is due again whose attempt has no outcome.
const LEASE: u64 = 121;

async fn app_with_mail_at(url: &str) -> TestApp {
    TestApp::embedded_with(&mail_args(url, &[])).await
}

async fn ask_for_reset(app: &TestApp, name: &str) {
    let asked = app.post("/password/reset", json!({"email": format!("{name}@example.com")})).await;
    assert_eq!(asked.status, 202);
}

async fn wait_until_struck(server: &MailServer, times: u64) {
    wait_until("the fault strikes", async || server.struck() >= times).await;
}

async fn wait_for_pending(app: &TestApp, number: usize) {
    let pending = async || metric(app, "auth_outbox_pending").await == number as f64;
    wait_until(format!("{number} mails wait"), pending).await;
}

/// Waits until the server has this number of mails, and the outbox none.
async fn wait_until_sent(app: &TestApp, server: &MailServer, number: usize) {
    wait_until(format!("{number} mails"), async || server.count() >= number).await;
    wait_for_pending(app, 0).await;
}

/// Asserts that requests are answered that need the database, the session state and a hash.
async fn assert_answers_requests(app: &TestApp, name: &str) {
    for _ in 0..4 {
        let tokens = app.login(name).await.tokens();
        for _ in 0..25 {
            assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
        }
        app.refreshed(&tokens.refresh).await;
    }
}

/// Asserts that the server has accepted one mail to each of these users, and no other.
fn assert_one_mail_each(server: &MailServer, names: &[String]) {
    let mut addresses: Vec<String> = server.mails().into_iter().flat_map(|mail| mail.to).collect();
    addresses.sort();
    let mut expected: Vec<String> =
        names.iter().map(|name| format!("{name}@example.com")).collect();
    expected.sort();
    assert_eq!(addresses, expected);
}

#[actix_web::test]
async fn mail_server_that_hangs_in_any_phase_delays_no_request_and_loses_no_mail() {
    let server = MailServer::start();
    let app = app_with_mail_at(&server.url_for("auth")).await;
    let phases = ["connect", "ehlo", "auth", "mail", "rcpt", "data", "message"];
    let names = phases.map(|phase| format!("user-{phase}"));
    for (phase, name) in phases.iter().zip(&names) {
        assert_eq!(app.register(name).await.status, 201);
        let struck = server.struck();
        server.set_fault(&format!("hang-{phase}"));
        ask_for_reset(&app, name).await;
        wait_until_struck(&server, struck + 1).await;
        assert_answers_requests(&app, name).await;
        server.set_fault("none");
        // The attempt that hangs keeps its place. Another attempt begins at the end of the lease.
        app.advance(LEASE);
        server.wait_for(&format!("{name}@example.com"), RESET).await;
    }
    wait_until_sent(&app, &server, names.len()).await;
    assert_one_mail_each(&server, &names);
}

#[actix_web::test]
async fn mail_server_that_completes_no_connection_delays_no_request_and_loses_no_mail() {
    let server = MailServer::start();
    let url = server.unreachable_url();
    let app = TestApp::deployed_with(&mail_args(&url, &[])).await;
    let names: Vec<String> = (0..20).map(|number| format!("user{number}")).collect();
    for name in &names {
        assert_eq!(app.register(name).await.status, 201);
        ask_for_reset(&app, name).await;
    }
    // More mails than the service sends at a time.
    wait_for_pending(&app, 20).await;
    assert_answers_requests(&app, "user0").await;
    assert_eq!(metric(&app, "auth_outbox_sent_total").await, 0.0);
    let mail = settings(&mail_args(&server.url(), &[])).mail;
    let _other = app.replica_with(|settings| settings.mail = mail).await;
    app.advance(LEASE);
    wait_until("20 mails", async || server.count() == 20).await;
    assert_one_mail_each(&server, &names);
}

#[actix_web::test]
async fn mail_server_that_refuses_or_closes_connections_loses_no_mail() {
    let server = MailServer::start();
    let app = app_with_mail_at(&server.url_for("auth")).await;
    let mut names = Vec::new();
    for kind in ["refuse", "drop"] {
        for phase in ["connect", "ehlo", "auth", "mail", "rcpt", "data", "message"] {
            let name = format!("{kind}-{phase}");
            assert_eq!(app.register(&name).await.status, 201);
            let struck = server.struck();
            server.set_fault(&name);
            ask_for_reset(&app, &name).await;
            wait_until_struck(&server, struck + 1).await;
            names.push(name);
        }
    }
    assert_eq!(server.count(), 0);
    server.set_fault("none");
    app.advance(60);
    wait_until_sent(&app, &server, names.len()).await;
    assert_one_mail_each(&server, &names);
}

#[actix_web::test]
async fn mail_is_sent_once_although_the_server_drops_the_connection_after_it() {
    let server = MailServer::start();
    let app = app_with_mail_at(&server.url()).await;
    let names = ["refuse-quit".to_owned(), "drop-quit".to_owned()];
    for name in &names {
        server.set_fault(name);
        assert_eq!(app.register(name).await.status, 201);
        ask_for_reset(&app, name).await;
        server.wait_for(&format!("{name}@example.com"), RESET).await;
    }
    wait_until_sent(&app, &server, 2).await;
    app.advance(3600);
    ask_for_reset(&app, &names[0]).await;
    wait_until("a third mail", async || server.count() == 3).await;
    assert_eq!(metric(&app, "auth_outbox_failures_total").await, 0.0);
}

#[actix_web::test]
async fn greylisted_mail_is_sent_at_the_second_attempt() {
    let server = MailServer::start();
    let app = app_with_mail_at(&server.url()).await;
    server.set_fault("greylist");
    let names = [0, 1, 2].map(|number| format!("user{number}"));
    for name in &names {
        assert_eq!(app.register(name).await.status, 201);
        ask_for_reset(&app, name).await;
    }
    let failures = async || metric(&app, "auth_outbox_failures_total").await == 3.0;
    wait_until("three failed attempts", failures).await;
    app.advance(FIRST_RETRY);
    wait_until_sent(&app, &server, names.len()).await;
    assert_one_mail_each(&server, &names);
}

#[actix_web::test]
async fn mail_server_that_is_away_for_an_hour_loses_no_mail() {
    let server = MailServer::start();
    let app = app_with_mail_at(&server.url()).await;
    server.set_fault("away");
    let names = [0, 1, 2, 3, 4].map(|number| format!("user{number}"));
    for name in &names {
        assert_eq!(app.register(name).await.status, 201);
        ask_for_reset(&app, name).await;
    }
    // Each step is as long as the longest delay after this number of failures.
    let mut expected = 0.0;
    for step in [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY, 3600] {
        expected += 5.0;
        let failures = async || metric(&app, "auth_outbox_failures_total").await >= expected;
        wait_until(format!("{expected} failed attempts"), failures).await;
        wait_for_pending(&app, 5).await;
        app.advance(step);
    }
    assert_answers_requests(&app, "user0").await;
    assert!(metric(&app, "auth_outbox_oldest_seconds").await >= 3600.0);
    server.set_fault("none");
    app.advance(3600);
    wait_until_sent(&app, &server, names.len()).await;
    assert_one_mail_each(&server, &names);
    assert_eq!(metric(&app, "auth_outbox_given_up_total").await, 0.0);
}
