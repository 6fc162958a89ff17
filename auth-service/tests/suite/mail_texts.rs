//! What stands in mails: no header is injected, text of any language arrives as it was written, and
//! links start with the configured URL.

use reqwest::Method;
use serde_json::json;
use test_support::MailServer;

use crate::support::TestApp;

const RESET: &str = "Set a new password";
const HEADERS: [&str; 9] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

async fn app(server: &MailServer, from: &str, args: &[&str]) -> TestApp {
    let url = server.url();
    let mail = ["--mail-url", &url, "--mail-from", from];
    TestApp::embedded_with(&[&mail, args].concat()).await
}

async fn register(app: &TestApp, name: &str, email: &str) -> u16 {
    let body = json!({"username": name, "email": email, "password": "correct horse battery"});
    app.post("/register", body).await.status
}

#[actix_web::test]
async fn names_and_addresses_cannot_add_headers() {
    let server = MailServer::start();
    let app = app(&server, "no-reply@example.com", &[]).await;
    for name in ["ada\r\nBcc: x@example.com", "ada\nx", "ada\u{2028}x", "<b>ada</b>", "ada\0"] {
        assert_eq!(register(&app, name, "ada@example.com").await, 400, "{name:?}");
    }
    for email in [
        "ada@example.com\r\nBcc: x@example.com",
        "ada@example.com,x@example.com",
        "ada@example.com\u{2028}x@example.com",
        "\"ada\r\nBcc: x\"@example.com",
        "<ada@example.com>",
        "ada <ada@example.com>",
        "ada@example.com\0",
    ] {
        assert_eq!(register(&app, "ada", email).await, 400, "{email:?}");
        for path in ["/password/reset", "/email/verify/request"] {
            let status = app.post(path, json!({"email": email})).await.status;
            assert!([202, 400].contains(&status), "{path} {email:?}: {status}");
        }
    }
    assert_eq!(register(&app, "ada", "ada@example.com").await, 201);
    app.post("/password/reset", json!({"email": "ada@example.com"})).await;
    let mail = server.wait_for("ada@example.com", RESET).await;
    let mut expected = HEADERS.to_vec();
    expected.sort_unstable();
    let mut names: Vec<&str> = mail.names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.iter().all(|name| expected.contains(name)), "{names:?}");
    assert_eq!(mail.names.len(), names.len(), "a header twice: {:?}", mail.names);
    assert_eq!(server.mails().len(), 1);
}

#[actix_web::test]
async fn addresses_of_any_language_get_their_mails() {
    let server = MailServer::start();
    let app = app(&server, "no-reply@example.com", &[]).await;
    for (name, email, delivered_to) in [
        ("bücher", "ada@bücher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ädä", "ädä@example.com", "ädä@example.com"),
        ("שלום", "שלום@example.com", "שלום@example.com"),
        ("用户名", "用户@例子.example.com", "用户@xn--fsqu00a.example.com"),
        ("plus", "ada+shop'!#$%&*/=?^_`{|}~@example.com", "ada+shop'!#$%&*/=?^_`{|}~@example.com"),
        ("quoted", "\"ada,<b>;lovelace\"@example.com", "\"ada,<b>;lovelace\"@example.com"),
    ] {
        assert_eq!(register(&app, name, email).await, 201, "{email}");
        assert_eq!(app.post("/password/reset", json!({"email": email})).await.status, 202);
        let mail = server.wait_for(delivered_to, RESET).await;
        assert!(mail.text.contains(&format!("Hello {name},")), "{}", mail.text);
        let query = mail.link().split_once("?email=").unwrap().1.to_owned();
        let (linked, code) = query.split_once("&code=").unwrap();
        let url = reqwest::Url::parse(&format!("http://localhost/?email={linked}")).unwrap();
        assert_eq!(url.query_pairs().next().unwrap().1, email);
        let body = json!({"email": email, "code": code, "new_password": "a better horse battery"});
        assert_eq!(app.post("/password/reset/confirm", body).await.status, 204, "{email}");
    }
}

#[actix_web::test]
async fn sender_and_product_arrive_as_they_were_written() {
    for (from, header) in [
        ("Shop <no-reply@example.com>", "Shop <no-reply@example.com>"),
        (
            "\"Shop, \\\"Q\\\"\" <no-reply@example.com>",
            "\"Shop, \\\"Q\\\"\" <no-reply@example.com>",
        ),
        ("Bücher & Söhne <no-reply@example.com>", "Bücher & Söhne <no-reply@example.com>"),
        ("متجر <no-reply@example.com>", "متجر <no-reply@example.com>"),
        ("Shop <no-reply@bücher.example.com>", "Shop <no-reply@xn--bcher-kva.example.com>"),
    ] {
        let server = MailServer::start();
        let product = "<i>Bücher</i> & \"Söhne\" متجر";
        let app = app(&server, from, &["--product-name", product]).await;
        assert_eq!(register(&app, "ada", "ada@example.com").await, 201);
        app.post("/email/verify/request", json!({"email": "ada@example.com"})).await;
        let mail = server.wait_for("ada@example.com", "Confirm your email address").await;
        assert_eq!(mail.headers["From"], header);
        assert!(mail.raw.split("\r\n\r\n").next().unwrap().is_ascii(), "{}", mail.raw);
        let domain = header.rsplit_once('@').unwrap().1;
        assert!(mail.message_id.ends_with(&format!("@{domain}")), "{}", mail.message_id);
        assert!(mail.text.contains(product), "{}", mail.text);
        assert!(!mail.html.contains("<i>"), "{}", mail.html);
        assert!(mail.html.contains("&lt;i&gt;Bücher"), "{}", mail.html);
    }
}

#[actix_web::test]
async fn link_never_has_the_host_of_a_request() {
    let server = MailServer::start();
    let app = app(&server, "no-reply@example.com", &[]).await;
    assert_eq!(register(&app, "ada", "ada@example.com").await, 201);
    for (path, subject) in
        [("/password/reset", RESET), ("/email/verify/request", "Confirm your email address")]
    {
        let request = app.request(Method::POST, path);
        let request = request
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-prefix", "/evil")
            .header("x-original-url", "https://evil.example/")
            .header("forwarded", "host=evil.example;proto=https")
            .header("origin", "https://evil.example")
            .header("referer", "https://evil.example/");
        let asked = app.send(request.json(&json!({"email": "ada@example.com"}))).await;
        assert_eq!(asked.status, 202);
        let mail = server.wait_for("ada@example.com", subject).await;
        assert!(mail.link().starts_with(&format!("{}/", app.issuer)), "{}", mail.link());
        assert!(!mail.raw.contains("evil"), "{}", mail.raw);
    }
}

#[actix_web::test]
async fn link_starts_with_the_configured_url() {
    let server = MailServer::start();
    let args = ["--account-url", "https://shop.example/account/"];
    let app = app(&server, "no-reply@example.com", &args).await;
    assert_eq!(register(&app, "ada", "ada@example.com").await, 201);
    app.post("/password/reset", json!({"email": "ada@example.com"})).await;
    let mail = server.wait_for("ada@example.com", RESET).await;
    assert!(mail.link().starts_with("https://shop.example/account/reset?"), "{}", mail.link());
}
