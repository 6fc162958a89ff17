//! `auth-service users export`.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    import::{django_hash, django_user, dumpdata},
    on_both_stores,
};

async fn prepare(app: &TestApp) {
    let file = dumpdata(&[
        django_user(17, "ada", json!({"email": "=ada@example.com"})),
        django_user(18, "grace", json!({"is_active": false})),
    ]);
    assert_eq!(app.import(file, &["--email-verified"]).counts(), [2, 0, 0]);
    app.register("hedy").await;
    app.users(&["grant", "ada", "--role", "editor", "--role", "admin", "--scope", "read"]);
}

/// Returns the users without their ids, which another database assigns anew.
fn without_ids(mut users: Vec<Value>) -> Vec<Value> {
    users.iter_mut().for_each(|user| user["id"] = Value::Null);
    users
}

#[apply(on_both_stores)]
async fn export_is_imported_again_with_its_hashes(app: TestApp) {
    prepare(&app).await;
    let exported = app.cli(&["users", "export", "--with-hashes"]);
    let text = String::from_utf8(exported.stdout).unwrap();
    let users: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users.len(), 3);
    assert_eq!(
        (&users[0]["external_id"], &users[0]["password"]),
        (&json!("17"), &json!(django_hash()))
    );
    assert_eq!(users[0]["roles"], json!(["admin", "editor"]));
    assert_eq!(users[0]["created_at"], "2020-02-03T04:05:06.789Z");

    let again = app.import(&text, &[]);
    assert_eq!((again.code, again.counts()), (Some(0), [0, 3, 0]), "{again:?}");
    for format in ["jsonl", "csv"] {
        let other = TestApp::embedded().await;
        let output = app.cli(&["users", "export", "--with-hashes", "--format", format]);
        let imported = other.import(output.stdout, &["--email-verified-by", "email_verified_at"]);
        assert_eq!((imported.code, imported.counts()), (Some(0), [3, 0, 0]), "{imported:?}");
        let mut expected = without_ids(users.clone());
        // A user without an id of another system keeps the id of this one.
        expected[2]["external_id"] = users[2]["id"].clone();
        assert_eq!(without_ids(other.exported()), expected, "{format}");
        assert_eq!(other.login("=ada@example.com").await.status, 200);
        assert_eq!(other.login("hedy").await.status, 200);
    }
}

#[apply(on_both_stores)]
async fn export_has_hashes_only_if_asked_and_neutralises_formulas(app: TestApp) {
    prepare(&app).await;
    for format in ["jsonl", "csv"] {
        let output = app.cli(&["users", "export", "--format", format]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("pbkdf2") && !text.contains("bcrypt"), "{text}");
        assert!(!text.contains("password"), "{text}");
        if format == "csv" {
            assert!(text.starts_with("id,external_id,username,email,"), "{text}");
            assert!(text.contains(",ada,'=ada@example.com,"), "{text}");
        }
    }
    app.exported();
    let events = app.audit(&["--event", "users_exported"]);
    let details: Vec<_> = events.iter().map(|event| event["detail"].as_str().unwrap()).collect();
    let without = "without password hashes";
    assert_eq!(details, [without, without, "with password hashes"]);
}
