//! Administrators show, change, create and delete users, and end their sessions.

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::claims_of;

use crate::support::{
    TestApp,
    admin::{NO_ID, id_of, sid_of, with_admin_api},
    mail::PASSWORD,
};

#[apply(with_admin_api)]
async fn user_is_shown_with_a_tag_that_changes_with_the_user(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let path = format!("/admin/users/{}", id_of(&user));
    let shown = app.get(&path, Some(&admin.access)).await;
    assert_eq!(shown.header("cache-control"), "no-store");
    let mut body = shown.json.clone();
    assert!(body["created_at"].take().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        body,
        json!({
            "id": id_of(&user), "username": "ada", "email": "ada@example.com",
            "email_verified_at": null, "scopes": [], "roles": [], "disabled_since": null,
            "created_at": null, "delete_at": null,
        })
    );
    let again = async |tags: &str| {
        let request = app.request(Method::GET, &path).bearer_auth(&admin.access);
        app.send(request.header("if-none-match", tags)).await
    };
    let tag = shown.header("etag").to_owned();
    assert!(tag.starts_with("\"0-"), "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        let unchanged = again(&known).await;
        assert_eq!((unchanged.status, &unchanged.json), (304, &Value::Null), "{known}");
        assert_eq!(unchanged.header("etag"), tag);
    }
    assert_eq!(again("\"x\"").await.status, 200);
    // A change without a new revision changes the tag too.
    app.users(&["verify-email", "ada"]);
    let verified = again(&tag).await;
    assert_eq!(verified.status, 200);
    assert_ne!(verified.header("etag"), tag);
    for unknown in [NO_ID, "ada", "ada@example.com", "x"] {
        let path = format!("/admin/users/{unknown}");
        app.get(&path, Some(&admin.access)).await.assert_problem(404, "not_found");
    }
}

#[apply(with_admin_api)]
async fn change_is_all_or_nothing_and_obeys_if_match(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let id = id_of(&user);
    let shown = app.get(&format!("/admin/users/{id}"), Some(&admin.access)).await;
    let first = shown.header("etag").to_owned();
    let body = json!({"grant_roles": ["editor", "author"], "grant_scopes": ["reports:read"]});
    let changed = app.admin_patch(&admin, &id, Some(&first), body.clone()).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json["roles"], json!(["editor", "author"]));
    assert_eq!(changed.json["scopes"], json!(["reports:read"]));
    let second = changed.header("etag").to_owned();
    let shown = app.get(&format!("/admin/users/{id}"), Some(&admin.access)).await;
    assert_eq!((shown.header("etag"), &shown.json), (&*second, &changed.json));
    let claims = claims_of(&app.refreshed(&user.refresh).await.access);
    assert_eq!(claims["roles"], json!(["editor", "author"]));
    // The second tab still has the first state. A weak tag is not compared, and garbage is no tag.
    for stale in [&*first, &format!("W/{second}"), "x", ""] {
        let refused = app.admin_patch(&admin, &id, Some(stale), json!({"disabled": true})).await;
        refused.assert_problem(412, "precondition_failed");
    }
    let body = json!({"revoke_roles": ["editor"], "grant_roles": ["owner"], "disabled": true});
    let tags = format!("\"x\", {second}");
    let changed = app.admin_patch(&admin, &id, Some(&tags), body).await;
    assert_eq!(changed.json["roles"], json!(["author", "owner"]));
    assert_ne!(changed.json["disabled_since"], Value::Null);
    // The user is logged out at once, and cannot log in.
    app.get("/me", Some(&user.access)).await.assert_problem(401, "token_not_valid");
    app.login("ada").await.assert_problem(401, "no_active_account");
    let enabled = app.admin_patch(&admin, &id, Some("*"), json!({"disabled": false})).await;
    assert_eq!(enabled.json["disabled_since"], Value::Null);
    assert_eq!(app.login("ada").await.status, 200);
    let events = app.audit(&["--user", "ada", "--event", "claims_change"]);
    let details: Vec<&Value> = events.iter().map(|event| &event["detail"]).collect();
    assert_eq!(
        details,
        [
            "granted scope reports:read role editor role author",
            "granted role owner; revoked role editor"
        ]
    );
    let by = json!(["admin", id_of(&admin), "olga"]);
    for event in &events {
        assert_eq!(json!([event["actor"], event["operator"], event["admin"]]), by);
    }
}

#[apply(with_admin_api)]
async fn of_two_changes_of_one_state_one_takes_place(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let id = id_of(&app.new_user("ada").await);
    for _ in 0..5 {
        let shown = app.get(&format!("/admin/users/{id}"), Some(&admin.access)).await;
        let tag = Some(shown.header("etag"));
        let flip = json!({"disabled": shown.json["disabled_since"].is_null()});
        let (one, other) = tokio::join!(
            app.admin_patch(&admin, &id, tag, flip.clone()),
            app.admin_patch(&admin, &id, tag, flip.clone()),
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
    }
}

#[apply(with_admin_api)]
async fn wrong_changes_are_refused_and_change_nothing(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let id = id_of(&app.new_user("ada").await);
    let before = app.admin_get(&admin, &format!("/admin/users/{id}")).await;
    let long: Vec<String> = (0..40).map(|number| format!("{number:0>99}")).collect();
    for (body, field) in [
        (json!({"disabled": "perhaps"}), "disabled"),
        (json!({"disabled": null}), "disabled"),
        (json!({"grant_roles": []}), "grant_roles"),
        (json!({"grant_roles": [1]}), "grant_roles"),
        (json!({"grant_roles": ["two words"]}), "grant_roles"),
        (json!({"revoke_roles": [""]}), "revoke_roles"),
        (json!({"grant_scopes": "\u{e4}"}), "grant_scopes"),
        (json!({"grant_scopes": ["a"], "revoke_scopes": ["b", "a"]}), "revoke_scopes"),
        (json!({"grant_roles": ["a"], "revoke_roles": ["a"]}), "revoke_roles"),
        (json!({"grant_scopes": long, "disabled": true}), "scopes"),
    ] {
        app.admin_patch(&admin, &id, None, body).await.assert_fields(&[field]);
    }
    app.admin_patch(&admin, NO_ID, None, json!({})).await.assert_problem(404, "not_found");
    // What the user has already, or does not have, changes nothing.
    let body = json!({"disabled": false, "revoke_roles": ["editor"], "unknown": 1});
    assert_eq!(app.admin_patch(&admin, &id, None, body).await.json, before);
    assert_eq!(app.admin_get(&admin, &format!("/admin/users/{id}")).await, before);
}

#[apply(with_admin_api)]
async fn administrators_do_not_lock_themselves_out(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let id = id_of(&admin);
    for body in [
        json!({"disabled": true}),
        json!({"revoke_roles": ["admin"]}),
        json!({"grant_roles": ["editor"], "revoke_roles": ["editors", "admin"]}),
    ] {
        app.admin_patch(&admin, &id, None, body).await.assert_problem(409, "own_account");
    }
    let path = format!("/admin/users/{id}");
    let deleted = app.admin_send(&admin, Method::DELETE, &path).await;
    deleted.assert_problem(409, "own_account");
    let reset = app.admin_send(&admin, Method::POST, &format!("{path}/reset-password")).await;
    reset.assert_problem(409, "own_account");
    // Other changes of the own account are allowed, and so is a logout.
    let granted = app.admin_patch(&admin, &id, None, json!({"grant_roles": ["editor"]})).await;
    assert_eq!(granted.json["roles"], json!(["admin", "editor"]));
    let ended = app.admin_send(&admin, Method::POST, &format!("{path}/logout")).await;
    assert_eq!(ended.json, json!({"sessions_ended": 1}));
    app.get(&path, Some(&admin.access)).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.login("olga").await.status, 200);
}

#[apply(with_admin_api)]
async fn sessions_are_listed_and_ended(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let first = app.new_user("ada").await;
    let second = app.login("ada").await.tokens();
    let path = format!("/admin/users/{}/sessions", id_of(&first));
    let listed = app.admin_get(&admin, &path).await;
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let ids: Vec<&str> = sessions.iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&&*sid_of(&first)) && ids.contains(&&*sid_of(&second)));
    assert_eq!(sessions[0]["ip"], "127.0.0.1");
    assert!(sessions[0]["last_used_at"].as_str().unwrap().ends_with(":00Z"), "{sessions:?}");
    let one = format!("{path}/{}", sid_of(&first));
    for _ in 0..2 {
        assert_eq!(app.admin_send(&admin, Method::DELETE, &one).await.status, 204);
        app.get("/me", Some(&first.access)).await.assert_problem(401, "token_not_valid");
    }
    assert_eq!(app.get("/me", Some(&second.access)).await.status, 200);
    // The session of another user is none of this user's.
    for other in [&*sid_of(&admin), NO_ID, "x"] {
        let refused = app.admin_send(&admin, Method::DELETE, &format!("{path}/{other}")).await;
        refused.assert_problem(404, "not_found");
    }
    let none = format!("/admin/users/{NO_ID}/sessions");
    app.get(&none, Some(&admin.access)).await.assert_problem(404, "not_found");
    let logout = format!("/admin/users/{}/logout", id_of(&first));
    for ended in [1, 0] {
        let answer = app.admin_send(&admin, Method::POST, &logout).await;
        assert_eq!(answer.json, json!({"sessions_ended": ended}));
    }
    app.get("/me", Some(&second.access)).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.admin_get(&admin, &path).await, json!({"sessions": []}));
    let events = app.event_names("ada");
    assert_eq!(events.iter().filter(|event| *event == "ended_by_admin").count(), 1);
    assert_eq!(events.iter().filter(|event| *event == "logout_everywhere").count(), 1);
}

#[apply(with_admin_api)]
async fn user_is_deleted_once_in_the_state_that_was_read(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let path = format!("/admin/users/{}", id_of(&user));
    let shown = app.get(&path, Some(&admin.access)).await;
    let tag = shown.header("etag").to_owned();
    app.users(&["grant", "ada", "--role", "editor"]);
    let delete = async |tag: Option<&str>| {
        let request = app.request(Method::DELETE, &path).bearer_auth(&admin.access);
        let request = if let Some(tag) = tag { request.header("if-match", tag) } else { request };
        app.send(request).await
    };
    delete(Some(&tag)).await.assert_problem(412, "precondition_failed");
    assert_eq!(app.get("/me", Some(&user.access)).await.status, 200);
    let (one, other) = tokio::join!(delete(None), delete(None));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
    app.get("/me", Some(&user.access)).await.assert_problem(401, "token_not_valid");
    app.get(&path, Some(&admin.access)).await.assert_problem(404, "not_found");
    let deleted = app.audit(&["--user", "ada", "--event", "user_deleted"]);
    assert_eq!((deleted.len(), &deleted[0]["detail"]), (1, &json!("1 session ended")));
}

#[apply(with_admin_api)]
async fn user_is_created_and_sets_a_password_with_the_code(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let create = async |body: Value| app.post_with(&admin.access, "/admin/users", body).await;
    let body = json!({
        "username": "grace", "email": "grace@example.com", "roles": ["editor"],
        "scopes": ["reports:read"], "verified": true,
    });
    let created = create(body.clone()).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.json["user"]["roles"], json!(["editor"]));
    assert_ne!(created.json["user"]["email_verified_at"], Value::Null);
    let code = created.json["code"].as_str().unwrap();
    assert_eq!(app.confirm("grace", code, PASSWORD).await.status, 204);
    assert_eq!(app.login("grace").await.status, 200);
    create(body).await.assert_fields(&["username"]);
    for (body, fields) in [
        (json!({}), &["email", "username"][..]),
        (json!({"username": "x", "email": "x"}), &["email", "username"]),
        (json!({"username": "admin", "email": "a@example.com"}), &["username"]),
        (json!({"username": "lin", "email": "GRACE@example.com"}), &["email"]),
        (json!({"username": "lin", "email": "l@example.com", "roles": ["a b"]}), &["roles"]),
    ] {
        create(body).await.assert_fields(fields);
    }
    let reserved = json!({
        "username": "admin", "email": "a@example.com", "allow_reserved": "true",
    });
    create(reserved).await.assert_fields(&["allow_reserved"]);
    let reserved = json!({
        "username": "admin", "email": "a@example.com", "allow_reserved": true,
    });
    assert_eq!(create(reserved).await.status, 201);
    let events = app.audit(&["--event", "user_created"]);
    assert_eq!((events.len(), &events[0]["admin"]), (2, &json!("olga")));
}
