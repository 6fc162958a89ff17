//! An app that sends its mails to a mail server of the test.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, MailServer, wait_until};

use super::TestApp;
use crate::metrics::metric;

/// Password of every test user.
pub const PASSWORD: &str = "correct horse battery";

/// Message for a code that is refused.
pub const WRONG_CODE: &str = "The code is wrong, has been used, or has expired.";

/// Returns the arguments of an app that sends mails to this server.
pub fn mail_args<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--mail-url", url, "--mail-from", "Example <no-reply@example.com>"], more].concat()
}

/// Starts an app on PostgreSQL and Redis that sends mails to a new mail server.
pub async fn deployed_with_mail(args: &[&str]) -> (TestApp, MailServer) {
    let server = MailServer::start();
    (TestApp::deployed_with(&mail_args(&server.url(), args)).await, server)
}

/// As [`deployed_with_mail`], on SQLite and the embedded session state.
pub async fn embedded_with_mail(args: &[&str]) -> (TestApp, MailServer) {
    let server = MailServer::start();
    (TestApp::embedded_with(&mail_args(&server.url(), args)).await, server)
}

/// Requests a change of address, and returns the code from the mail to the new address.
pub async fn email_change_code(
    app: &TestApp,
    server: &MailServer,
    access: &str,
    next: &str,
) -> String {
    let body = json!({"email": next, "password": PASSWORD});
    let asked = app.post_with(access, "/email/change", body).await;
    assert_eq!((asked.status, asked.json), (202, json!(null)));
    server.wait_for(next, "Confirm your new email address").await.code()
}

/// Changes an address, and returns the code that the former address gets.
pub async fn change_email(
    app: &TestApp,
    server: &MailServer,
    access: &str,
    former: &str,
    next: &str,
) -> String {
    let code = email_change_code(app, server, access, next).await;
    let confirmed = app.post_with(access, "/email/change/confirm", json!({"code": code})).await;
    assert_eq!(confirmed.status, 204, "{confirmed:?}");
    server.wait_for(former, "The email address of your account was changed").await.code()
}

/// Waits until the server has this number of mails with this subject, and no mail is waiting.
pub async fn wait_for_mails(app: &TestApp, server: &MailServer, subject: &str, number: usize) {
    let count = || server.mails().iter().filter(|mail| mail.subject == subject).count();
    wait_until(format!("{number} mails: {subject}"), async || {
        if count() >= number { Ok(()) } else { Err(count().to_string()) }
    })
    .await;
    wait_until("an empty outbox", async || metric(app, "auth_outbox_pending").await == 0.0).await;
    assert_eq!(count(), number, "{subject}");
}

impl TestApp {
    /// Sends a request with a JSON body and an access token.
    pub async fn send_with(&self, access: &str, method: Method, path: &str, body: Value) -> Answer {
        self.send(self.request(method, path).bearer_auth(access).json(&body)).await
    }

    /// Sends a POST request with an access token.
    pub async fn post_with(&self, access: &str, path: &str, body: Value) -> Answer {
        self.send_with(access, Method::POST, path, body).await
    }

    /// Asserts that a request has the answer to a code that is refused.
    pub fn assert_wrong_code(answer: &Answer) {
        let refused = (400, &json!({"code": [WRONG_CODE]}));
        assert_eq!((answer.status, &answer.json["errors"]), refused);
    }

    /// Returns the names of the audit events about a user.
    pub fn event_names(&self, user: &str) -> Vec<String> {
        let event = |event: &Value| event["event"].as_str().unwrap().to_owned();
        self.audit(&["--user", user]).iter().map(event).collect()
    }
}
