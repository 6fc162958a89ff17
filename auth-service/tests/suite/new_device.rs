//! NEW_DEVICE_MAIL: a mail about a login from a device and a client address that the user has not
//! used.

use reqwest::Method;
use serde_json::json;
use test_support::{Answer, MailServer, wait_until};

use crate::{
    metrics::metric,
    support::{TestApp, mail::mail_args},
};

const EMAIL: &str = "ada@example.com";
const NEW: &str = "New sign-in to your account";
const PASSWORD: &str = "correct horse battery";

async fn login_from(app: &TestApp, address: &str, password: &str, token: Option<&str>) -> Answer {
    let request = app.request(Method::POST, "/login").header("X-Forwarded-For", address);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let body = json!({"username": "ada", "password": password});
    app.send(request.header("User-Agent", "https://evil.example/").json(&body)).await
}

#[actix_web::test]
async fn login_from_a_new_device_is_mailed() {
    let server = MailServer::start();
    let url = server.url();
    let args = mail_args(&url, &["--new-device-mail=on", "--proxy-hops=1"]);
    let app = TestApp::deployed_with(&args).await;
    app.register("ada").await;
    // The first login after the registration, one from the same address, and one with a token.
    let tokens = login_from(&app, "198.51.100.1", PASSWORD, None).await.tokens();
    assert_eq!(login_from(&app, "198.51.100.1", PASSWORD, None).await.status, 200);
    let with_token = login_from(&app, "198.51.100.2", PASSWORD, Some(&tokens.access)).await;
    assert_eq!(with_token.status, 200);
    assert_eq!(login_from(&app, "198.51.100.4", "wrong password", None).await.status, 401);
    assert_eq!(login_from(&app, "198.51.100.3", PASSWORD, None).await.status, 200);
    let mail = server.wait_for(EMAIL, NEW).await;
    assert!(mail.text.contains("Address: 198.51.100.3."), "{}", mail.text);
    assert!(!mail.text.contains("evil"), "{}", mail.text);
    assert_eq!(mail.link(), format!("{}/forgot", app.issuer));
    // The address is known now, even if the throttle has lost its data.
    let other = app.replica_with(|settings| settings.redis.key_prefix += "other:").await;
    other.wait_for_status("/readyz", 200).await;
    let body = json!({"username": "ada", "password": PASSWORD});
    let request = other.request(Method::POST, "/login").header("X-Forwarded-For", "198.51.100.3");
    assert_eq!(other.send(request.json(&body)).await.status, 200);
    assert_eq!(login_from(&app, "198.51.100.9", PASSWORD, None).await.status, 200);
    let both = async || server.mails().len() == 2;
    wait_until("a mail about the last login only", both).await;
    assert!(server.mails()[1].text.contains("198.51.100.9"));
}

#[actix_web::test]
async fn no_login_is_mailed_by_default() {
    let server = MailServer::start();
    let url = server.url();
    let app = TestApp::embedded_with(&mail_args(&url, &["--proxy-hops=1"])).await;
    app.register("ada").await;
    for address in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(login_from(&app, address, PASSWORD, None).await.status, 200);
    }
    app.post("/password/reset", json!({"email": EMAIL})).await;
    server.wait_for(EMAIL, "Set a new password").await;
    wait_until("an empty outbox", async || metric(&app, "auth_outbox_pending").await == 0.0).await;
    assert_eq!(server.mails().len(), 1);
}
