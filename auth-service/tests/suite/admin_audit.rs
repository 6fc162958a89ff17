//! Every call of an administrator is one event of the audit trail, with the administrator.

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    admin::{ADMIN_API, id_of, sid_of, with_admin_api},
};

#[apply(with_admin_api)]
async fn every_call_is_one_event(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let id = id_of(&user);
    let path = format!("/admin/users/{id}");
    app.admin_get(&admin, "/admin/users?role=editor").await;
    app.admin_get(&admin, &path).await;
    app.admin_patch(&admin, &id, None, json!({"grant_roles": ["editor"]})).await;
    app.admin_patch(&admin, &id, None, json!({"grant_roles": ["editor"]})).await;
    app.admin_patch(&admin, &id, Some("\"x\""), json!({"disabled": true})).await;
    let session = format!("{path}/sessions/{}", sid_of(&user));
    app.admin_send(&admin, Method::DELETE, &session).await;
    app.admin_send(&admin, Method::DELETE, &session).await;
    app.admin_send(&admin, Method::DELETE, &format!("/admin/users/{}", id_of(&admin))).await;
    app.admin_send(&admin, Method::DELETE, "/admin/clients/unknown").await;
    assert_eq!(
        app.admin_calls(),
        [
            "olga GET /admin/users?role=editor about -".into(),
            format!("olga GET {path} about ada"),
            format!("olga PATCH {path} (unchanged) about ada"),
            format!("olga PATCH {path} (refused: precondition_failed) about ada"),
            format!("olga DELETE {session} (unchanged) about ada"),
            format!("olga DELETE /admin/users/{} (refused: own_account) about olga", id_of(&admin)),
            "olga DELETE /admin/clients/unknown (refused: not_found) about -".into(),
        ]
    );
    let events = app.audit(&["--user", "ada"]);
    let by_admin = events.iter().filter(|event| event["actor"] == "admin");
    let names: Vec<&str> = by_admin.map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["admin_call", "claims_change", "admin_call", "admin_call", "ended_by_admin", "admin_call"]
    );
    // The line for people names the administrator too.
    let text = app.cli(&["audit", "--user", "ada", "--event", "ended_by_admin"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("by admin") && text.contains("admin=olga"), "{text}");
}

#[actix_web::test]
async fn text_of_a_call_is_bounded() {
    let app = TestApp::embedded_with(&[ADMIN_API]).await;
    let admin = app.user_with_role("olga", "admin").await;
    let long = "x".repeat(5000);
    let path = format!("/admin/users?name=%0A{long}");
    app.get(&path, Some(&admin.access)).await.assert_fields(&["name"]);
    let events = app.audit(&["--event", "admin_call"]);
    let detail = events[0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("GET /admin/users?name=%0Axxx"), "{detail}");
    assert!(detail.len() < 400, "{detail}");
}

#[actix_web::test]
async fn user_sees_that_an_administrator_looked_but_not_from_where() {
    let app = TestApp::embedded_with(&[ADMIN_API]).await;
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    app.admin_get(&admin, &format!("/admin/users/{}", id_of(&user))).await;
    let export = app.get("/me/export", Some(&user.access)).await.json;
    let events = export["audit_events"].as_array().unwrap();
    let call = events.iter().find(|event| event["event"] == "admin_call").unwrap();
    assert_eq!(
        json!([call["actor"], call["ip"], call["user_agent"]]),
        json!(["admin", null, null])
    );
    assert!(!export.to_string().contains(&id_of(&admin)), "{export}");
    assert_eq!(export["sessions"][0]["ip"], json!("127.0.0.1"));
    assert_ne!(export["user"], Value::Null);
}
