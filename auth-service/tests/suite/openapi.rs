//! The OpenAPI document and its page. The tests' client checks every answer of the suite against
//! the document.

use std::collections::BTreeSet;

use crate::support::{TestApp, admin::ADMIN_API};
use reqwest::Method;
use serde_json::Value;
use test_support::{Nginx, assert_answers_as_documented};

#[actix_web::test]
async fn every_documented_route_exists() {
    assert_documented_routes_exist(&TestApp::embedded().await, 33).await;
}

#[actix_web::test]
async fn every_documented_route_for_administrators_exists() {
    assert_documented_routes_exist(&TestApp::embedded_with(&[ADMIN_API]).await, 44).await;
}

/// Asserts that a service has each route of its document, which has this number of paths.
async fn assert_documented_routes_exist(app: &TestApp, number: usize) {
    let document = app.get("/openapi.json", None).await.json;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), number);
    let mut ids = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let body = &operation["requestBody"];
            let content = &body["content"];
            if body["required"] == true && content["application/json"].is_object() {
                let form = &content["application/x-www-form-urlencoded"];
                assert_eq!(form, &content["application/json"], "{path}");
            }
            assert!(
                operation["summary"].as_str().is_some_and(|text| text.ends_with('.')),
                "{path}"
            );
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap()),
                "{path}: duplicate operation id"
            );
            let method: Method = method.to_uppercase().parse().unwrap();
            for path in [path.clone(), format!("{path}/")] {
                let status = reqwest::Client::builder()
                    .no_proxy()
                    .build()
                    .unwrap()
                    .request(method.clone(), format!("http://{}{path}", app.addr))
                    .send()
                    .await
                    .unwrap()
                    .status();
                assert!(
                    status != 404 && status != 405 && status.as_u16() < 500,
                    "{method} {path}: {status}"
                );
            }
        }
    }
    assert_texts_are_for_readers(&document);
    // Every reference has a target.
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn every_answer_to_a_generated_request_is_documented() {
    let app = TestApp::embedded_with(&[
        "--hash-queue=1000",
        "--login-failures-per-name=0",
        "--login-failures-per-address=0",
    ])
    .await;
    let (_, secret) = app.client("gateway", &["read"]);
    let tokens = app.new_user("ada").await;
    assert_answers_as_documented(app.addr, &tokens.access, Some(("gateway", &*secret))).await;
    // No generated request has ended the session of its token.
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
}

/// Asserts that no description is a comment for developers: code stands between backticks, and no
/// text links to Rust items.
fn assert_texts_are_for_readers(value: &Value) {
    let Value::Object(members) = value else {
        value.as_array().into_iter().flatten().for_each(assert_texts_are_for_readers);
        return;
    };
    for (name, member) in members {
        if let (true, Some(text)) = (name == "description" || name == "summary", member.as_str()) {
            assert_eq!(text.matches('`').count() % 2, 0, "{text}");
            assert!(!text.contains("[`") && !text.contains("::"), "{text}");
        }
        assert_texts_are_for_readers(member);
    }
}

fn collect_references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| collect_references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, into)),
        _ => {}
    }
}

#[actix_web::test]
async fn page_loads_nothing_from_other_hosts() {
    let app = TestApp::embedded().await;
    let answer = reqwest::get(format!("http://{}/docs", app.addr)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for directive in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{policy}");
    }
    let page = answer.text().await.unwrap();
    for element in ["<script>", "<style>"] {
        assert_eq!(page.matches(element).count(), 1);
    }
    for foreign in ["http://", "https://", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[actix_web::test]
async fn root_leads_to_the_sign_in_page() {
    let app = TestApp::embedded().await;
    let page = reqwest::get(format!("http://{}/", app.addr)).await.unwrap();
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/sign-in"));
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
}

#[actix_web::test]
async fn page_and_document_work_below_a_path() {
    let app = TestApp::embedded_with(&["--issuer=https://example.com/auth"]).await;
    let document = app.get("/openapi.json", None).await.json;
    assert_eq!(document["servers"], serde_json::json!([{"url": "/auth"}]));
    let locations = "location /auth/ { proxy_pass http://auth-service:8080/; }";
    let nginx = Nginx::with_locations(locations, app.addr, app.addr);
    let page = reqwest::get(nginx.resource_url("/auth/")).await.unwrap();
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/auth/sign-in"));
    // Without a path, the document is of the service at its own address.
    let app = TestApp::embedded().await;
    assert_eq!(app.get("/openapi.json", None).await.json["servers"], serde_json::json!(null));
}
