//! Administrators list, register and delete clients, and replace their secrets.

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{TestApp, admin::with_admin_api, oauth::text};

#[apply(with_admin_api)]
async fn client_is_registered_gets_a_new_secret_and_is_deleted(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let body = json!({"id": "billing-job", "scopes": ["b", "a", "a"], "audiences": ["reports"]});
    let created = app.post_with(&admin.access, "/admin/clients", body.clone()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let first = ("billing-job".to_owned(), text(&created, "client_secret"));
    app.wait_for_token_status(&first, 200).await;
    app.post_with(&admin.access, "/admin/clients", body).await.assert_fields(&["id"]);
    let listed = app.admin_get(&admin, "/admin/clients").await;
    let client = &listed["clients"][0];
    assert_eq!(
        (&client["client_id"], &client["scopes"], &client["audiences"]),
        (&json!("billing-job"), &json!(["a", "b"]), &json!(["reports"]))
    );
    assert!(!listed.to_string().contains(&first.1), "{listed}");
    let rotate = "/admin/clients/billing-job/rotate-secret";
    let rotated = app.admin_send(&admin, Method::POST, rotate).await;
    let second = ("billing-job".to_owned(), text(&rotated, "client_secret"));
    app.wait_for_token_status(&second, 200).await;
    app.wait_for_token_status(&first, 401).await;
    let delete = || app.admin_send(&admin, Method::DELETE, "/admin/clients/billing-job");
    assert_eq!(delete().await.status, 204);
    delete().await.assert_problem(404, "not_found");
    app.wait_for_token_status(&second, 401).await;
    for unknown in [rotate, "/admin/clients/a%20b/rotate-secret"] {
        let refused = app.admin_send(&admin, Method::POST, unknown).await;
        refused.assert_problem(404, "not_found");
    }
    let events = app.audit(&["--client", "billing-job"]);
    let seen: Vec<Value> = events
        .iter()
        .map(|event| json!([event["event"], event["actor"], event["admin"]]))
        .collect();
    assert_eq!(
        seen,
        ["client_created", "client_secret_rotated", "client_deleted"]
            .map(|event| json!([event, "admin", "olga"]))
    );
}

#[apply(with_admin_api)]
async fn wrong_clients_are_refused(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let long: Vec<String> = (0..40).map(|number| format!("{number:0>99}")).collect();
    for (body, field) in [
        (json!({}), "id"),
        (json!({"id": "a b"}), "id"),
        (json!({"id": "first-party"}), "id"),
        (json!({"id": "00000000-0000-7000-8000-000000000000"}), "id"),
        (json!({"id": "job", "scopes": ["two words"]}), "scopes"),
        (json!({"id": "job", "scopes": []}), "scopes"),
        (json!({"id": "job", "scopes": long}), "scopes"),
        (json!({"id": "job", "audiences": ["two words"]}), "audiences"),
    ] {
        app.post_with(&admin.access, "/admin/clients", body).await.assert_fields(&[field]);
    }
    assert_eq!(app.admin_get(&admin, "/admin/clients").await["clients"], json!([]));
}

#[apply(with_admin_api)]
async fn clients_are_listed_a_page_at_a_time(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    for id in ["a", "b", "c", "d", "e"] {
        let created = app.post_with(&admin.access, "/admin/clients", json!({"id": id})).await;
        assert_eq!(created.status, 201);
    }
    let mut ids = Vec::new();
    let mut path = "/admin/clients?limit=2".to_owned();
    loop {
        let page = app.admin_get(&admin, &path).await;
        let clients = page["clients"].as_array().unwrap();
        ids.extend(clients.iter().map(|client| client["client_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        // The client of the cursor is gone before the next page.
        app.admin_send(&admin, Method::DELETE, &format!("/admin/clients/{next}")).await;
        path = format!("/admin/clients?limit=2&after={next}");
    }
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
}
