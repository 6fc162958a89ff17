//! Lists of users and of events: filters, and pages that stay in place while rows come and go.

use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::Tokens;

use crate::support::{
    TestApp,
    admin::{id_of, with_admin_api},
};

/// Returns the names on a page of users.
fn names(page: &Value) -> Vec<&str> {
    let users = page["users"].as_array().unwrap();
    users.iter().map(|user| user["username"].as_str().unwrap()).collect()
}

async fn listed(app: &TestApp, admin: &Tokens, query: &str) -> Vec<String> {
    let page = app.admin_get(admin, &format!("/admin/users?{query}")).await;
    assert_eq!(page["next"], Value::Null, "{query}");
    names(&page).into_iter().map(str::to_owned).collect()
}

#[apply(with_admin_api)]
async fn pages_of_users_stay_in_place_while_users_come_and_go(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    for number in 10..35 {
        assert_eq!(app.register(&format!("user{number}")).await.status, 201);
    }
    let first = app.admin_get(&admin, "/admin/users?name=user&limit=10").await;
    assert_eq!((names(&first)[0], names(&first)[9]), ("user10", "user19"));
    // A user before the cursor, the user of the cursor, and one after it are deleted.
    for name in ["user12", "user19", "user21"] {
        app.users(&["delete", name, "--yes"]);
    }
    app.register("user99").await;
    let next = first["next"].as_str().unwrap();
    let after = |next: &str| format!("/admin/users?name=user&limit=10&after={next}");
    let second = app.admin_get(&admin, &after(next)).await;
    assert_eq!((names(&second)[0], names(&second)[9]), ("user20", "user30"));
    let next = second["next"].as_str().unwrap();
    let last = app.admin_get(&admin, &after(next)).await;
    assert_eq!(names(&last), ["user31", "user32", "user33", "user34", "user99"]);
    assert_eq!(last["next"], Value::Null);
    // A page that is exactly full is the last one.
    assert_eq!(listed(&app, &admin, "name=user3&limit=5").await.len(), 5);
}

#[apply(with_admin_api)]
async fn users_are_filtered(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    app.register("ada").await;
    app.create_user("Adam", &["--role", "editor", "--scope", "reports:read", "--verified"]);
    app.users(&["create", "grace", "--email", "ada.lovelace@example.org"]);
    app.users(&["disable", "grace"]);
    for (query, expected) in [
        ("name=ADA", &["ada", "Adam", "grace"][..]),
        ("name=adam", &["Adam"]),
        ("name=ada.l", &["grace"]),
        ("name=da", &[]),
        ("name=%25", &[]),
        ("name=ad_", &[]),
        ("name=&role=&disabled=", &["olga", "ada", "Adam", "grace"]),
        ("role=editor", &["Adam"]),
        ("role=edit", &[]),
        ("scope=reports:read", &["Adam"]),
        ("disabled=true", &["grace"]),
        ("disabled=false&name=ada", &["ada", "Adam"]),
        ("verified=true", &["Adam"]),
        ("verified=false&disabled=false", &["olga", "ada"]),
        ("since=1h&name=adam", &["Adam"]),
        ("since=2999-01-01T00:00:00Z", &[]),
    ] {
        assert_eq!(listed(&app, &admin, query).await, expected, "{query}");
    }
}

#[apply(with_admin_api)]
async fn wrong_filters_and_cursors_are_refused(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    for (path, query, field) in [
        ("users", "role=two%20words", "role"),
        ("users", "scope=%C3%A4", "scope"),
        ("users", "disabled=perhaps", "disabled"),
        ("users", "verified=1", "verified"),
        ("users", "since=yesterday", "since"),
        ("users", "since=-1h", "since"),
        ("users", "after=x", "after"),
        ("users", "limit=0", "limit"),
        ("users", "limit=201", "limit"),
        ("users", "limit=-1", "limit"),
        ("users", "limit=99999999999999999999", "limit"),
        ("users", "role=a&role=b", "role"),
        ("users", "rolle=admin", "query"),
        ("clients", "after=a%20b", "after"),
        ("clients", "limit=x", "limit"),
        ("clients", "name=x", "query"),
        ("audit", "after=12", "after"),
        ("audit", "after=1-x", "after"),
        ("audit", "after=99999999999999999999-1", "after"),
        ("audit", "since=7x", "since"),
        ("audit", "limit=1000", "limit"),
        ("audit", "user=unknown", "user"),
        ("audit", "user=00000000-0000-7000-8000-000000000000", "user"),
        ("audit", "client=unknown", "client"),
        ("audit", "event=unknown", "event"),
        ("audit", "event=%00", "event"),
        ("audit", "client=%00", "client"),
        ("users", "name=%00", "name"),
    ] {
        let path = format!("/admin/{path}?{query}");
        app.get(&path, Some(&admin.access)).await.assert_fields(&[field]);
    }
}

#[apply(with_admin_api)]
async fn pages_of_events_stay_in_place_while_events_are_added(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    for _ in 0..6 {
        app.login_with("ada", "wrong horse battery").await;
    }
    let page = async |query: String| app.admin_get(&admin, &format!("/admin/audit?{query}")).await;
    let events = |page: &Value| {
        let events = page["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = page("user=ada&limit=4".into()).await;
    assert_eq!(events(&first).len(), 4);
    app.login("ada").await;
    let mut all = events(&first);
    let mut next = first["next"].clone();
    while let Some(cursor) = next.as_str() {
        let more = page(format!("user=ada&limit=4&after={cursor}")).await;
        all.extend(events(&more));
        next = more["next"].clone();
    }
    let mut expected = vec!["login_failed"; 5];
    expected.insert(0, "login_throttled");
    expected.extend(["login", "registration"]);
    assert_eq!(all, expected);
    // The filters of the command.
    let id = id_of(&user);
    let logins = page(format!("user={id}&event=login&since=1h")).await;
    assert_eq!(logins["next"], Value::Null);
    let login = &logins["events"][0];
    assert_eq!(
        json!([login["user"], login["username"], login["actor"], login["ip"], login["admin"]]),
        json!([id, "ada", "user", "127.0.0.1", null])
    );
    app.client("gateway", &[]);
    let created = page("client=gateway".into()).await;
    assert_eq!(events(&created), ["client_created"]);
    app.users(&["delete", "ada", "--yes"]);
    assert_eq!(events(&page("user=ada&limit=1".into()).await), ["user_deleted"]);
}
