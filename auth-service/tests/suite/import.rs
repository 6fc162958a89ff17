//! `auth-service users import`: formats, conflicts, claims, and what is recorded.

use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::claims_of;

use crate::support::{
    TestApp,
    import::{django_hash, django_user, dumpdata},
    on_both_stores,
};

#[apply(on_both_stores)]
async fn users_of_dumpdata_log_in_and_get_a_hash_of_this_service(app: TestApp) {
    let file = dumpdata(&[
        json!({"model": "sessions.session", "pk": "x", "fields": {"session_data": "y"}}),
        django_user(1, "ada", json!({})),
        django_user(2, "grace", json!({"is_active": false, "email": "Grace@Example.com"})),
        django_user(3, "barbara", json!({"password": "!unusable"})),
        django_user(4, "hedy", json!({"password": "md5$salt$0123"})),
    ]);
    let imported = app.import(&file, &[]);
    assert_eq!((imported.code, imported.counts()), (Some(0), [4, 0, 0]), "{imported:?}");
    assert_eq!(imported.totals["disabled"], 1);
    assert_eq!(imported.totals["must_reset"], json!({"no_password": 1, "unknown_hash": 1}));
    assert_eq!(imported.totals["other_models"], json!({"sessions.session": 1}));

    let ada = &app.users(&["show", "ada"])[0];
    assert_eq!(ada["external_id"], "1");
    assert_eq!(ada["created_at"], "2020-02-03T04:05:06Z");
    assert_eq!((&ada["email_verified_at"], &ada["roles"]), (&Value::Null, &json!([])));
    let hash = |name: &str| {
        let users = app.exported();
        let user = users.into_iter().find(|user| user["username"] == name).unwrap();
        user["password"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash("ada"), django_hash());
    app.login_with("ada", "wrong").await.assert_problem(401, "no_active_account");
    assert_eq!(app.login("ada@example.com").await.status, 200);
    assert!(hash("ada").starts_with("bcrypt_sha256$"), "{}", hash("ada"));
    assert_eq!(app.login("ada").await.status, 200);
    for name in ["grace", "barbara", "hedy"] {
        app.login(name).await.assert_problem(401, "no_active_account");
    }
    assert!(app.cli(&["users", "enable", "grace"]).status.success());
    assert_eq!(app.login("grace").await.status, 200);
    let code = app.reset_password("hedy");
    assert_eq!(app.confirm("hedy", &code, "a better horse battery").await.status, 204);
    let events = app.audit(&["--event", "users_imported"]);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["detail"], "4 users, from lines 3 to 6 of the file");
    assert_eq!(events[0]["actor"], "operator");
}

#[apply(on_both_stores)]
async fn import_that_runs_again_adds_nothing_and_says_so(app: TestApp) {
    let users: Vec<Value> =
        (1..=30).map(|pk| django_user(pk, &format!("user{pk}"), json!({}))).collect();
    assert_eq!(app.import(dumpdata(&users[..20]), &[]).counts(), [20, 0, 0]);
    // A user whom an earlier import brought may have changed.
    assert_eq!(app.login("user1").await.status, 200);
    let again = app.import(dumpdata(&users), &[]);
    assert_eq!((again.code, again.counts()), (Some(0), [10, 20, 0]), "{again:?}");
    let text = app.cli(&["users", "import", app.file(dumpdata(&users)).to_str().unwrap()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text, "30 rows: 0 added, 30 already there, 0 refused\n");
    assert_eq!(app.exported().len(), 30);
    assert_eq!(app.audit(&["--event", "users_imported"]).len(), 2);
    assert_eq!(app.login("user1").await.status, 200);

    // Without ids, by name and address.
    let row = |name: &str, email: &str| format!("{}\n", json!({"username": name, "email": email}));
    let file = row("USER1", "User1@example.com") + &row("ada", "ada@example.com");
    assert_eq!(app.import(&file, &[]).counts(), [1, 1, 0]);
    assert_eq!(app.import(&file, &[]).counts(), [0, 2, 0]);
}

#[apply(on_both_stores)]
async fn conflicting_row_is_refused_renamed_or_ends_the_import(app: TestApp) {
    app.register("ada").await;
    app.register("straße").await;
    let other = |name: &str| json!({"email": format!("other-{name}@example.com")});
    let file = dumpdata(&[
        django_user(1, "first", json!({})),
        django_user(2, "ADA", other("ada")),
        django_user(3, "STRASSE", other("s")),
        django_user(4, "new", json!({"email": "Ada@example.com"})),
        django_user(5, "first", other("first")),
        django_user(6, "admin", other("admin")),
        django_user(7, "bob@example.com", other("bob")),
        django_user(8, "x y", other("x")),
        django_user(9, "nomail", json!({"email": ""})),
        django_user(10, "last", json!({})),
    ]);
    let skipped = app.import(&file, &["--dry-run"]);
    assert_eq!((skipped.code, skipped.counts()), (Some(3), [2, 0, 8]), "{skipped:?}");
    assert_eq!(app.exported().len(), 2);

    let failed = app.import(&file, &["--on-conflict", "fail"]);
    assert_eq!((failed.code, failed.counts()), (Some(1), [0, 0, 0]), "{failed:?}");
    assert!(failed.stderr.contains("--on-conflict fail ends the import"), "{}", failed.stderr);

    let skipped = app.import(&file, &[]);
    assert_eq!((skipped.code, skipped.counts()), (Some(3), [2, 0, 8]), "{skipped:?}");
    assert!(skipped.stderr.ends_with("error: 8 rows are refused\n"), "{}", skipped.stderr);
    let refused = skipped.refused();
    let reasons = [
        (3, "another user has the username as ada"),
        (4, "another user has the username as straße"),
        (5, "another user has the email address"),
        (6, "another user has the username"),
        (7, "This username is reserved. --allow-reserved imports it all the same"),
        (8, "the username breaks a rule: Enter a valid username: letters, digits and _ . - only."),
        (9, "the username breaks a rule: Enter a valid username: letters, digits and _ . - only."),
        (10, "the user has no email address"),
    ];
    assert_eq!(refused, reasons.map(|(line, reason)| (line, reason.to_owned())));
    let row = skipped.rows.iter().find(|row| row["line"] == 3).unwrap();
    assert_eq!((&row["username"], &row["external_id"]), (&json!("ADA"), &json!("2")));

    let renamed = app.import(&file, &["--on-conflict", "suffix"]);
    assert_eq!((renamed.code, renamed.counts()), (Some(3), [6, 2, 2]), "{renamed:?}");
    assert_eq!(renamed.totals["renamed"], 6);
    let mut names: Vec<_> =
        renamed.rows.iter().filter_map(|row| row["renamed"]["to"].as_str()).collect();
    names.sort();
    let expected = ["ADA-2", "STRASSE-2", "admin-2", "bob_example.com", "first-2", "x_y"];
    assert_eq!(names, expected);
    assert_eq!(app.login("ada-2").await.status, 200);
    let again = app.import(&file, &["--on-conflict", "suffix"]);
    assert_eq!(again.counts(), [0, 8, 2], "{again:?}");

    let reserved = dumpdata(&[django_user(11, "root", json!({}))]);
    assert_eq!(app.import(reserved, &["--allow-reserved"]).counts(), [1, 0, 0]);
}

#[apply(on_both_stores)]
async fn name_that_an_operator_reserved_is_refused(app: TestApp) {
    let file = app.file("reserved_names = [\"acme\"]");
    assert!(app.cli(&["apply", file.to_str().unwrap()]).status.success());
    let rows = dumpdata(&[django_user(1, "ACME", json!({}))]);
    let refused = app.import(&rows, &[]);
    assert_eq!(refused.counts(), [0, 0, 1], "{refused:?}");
    let reason = "This username is reserved. --allow-reserved imports it all the same";
    assert_eq!(refused.refused()[0].1, reason);
    assert_eq!(app.import(&rows, &["--allow-reserved"]).counts(), [1, 0, 0]);
}

#[apply(on_both_stores)]
async fn renamed_user_without_an_id_is_recognised(app: TestApp) {
    app.register("ada").await;
    let file = "username,email\nADA,other@example.com\n";
    let suffix = &["--on-conflict", "suffix"];
    assert_eq!(app.import(file, suffix).counts(), [1, 0, 0]);
    let again = app.import(file, suffix);
    assert_eq!((again.code, again.counts()), (Some(0), [0, 1, 0]), "{again:?}");
}

#[apply(on_both_stores)]
async fn atomic_import_adds_all_users_or_none(app: TestApp) {
    app.register("ada").await;
    let good = [django_user(1, "grace", json!({})), django_user(2, "hedy", json!({}))];
    let bad = dumpdata(
        &[&good[..], &[django_user(3, "ada", json!({"email": "x@example.com"}))]].concat(),
    );
    let broken = dumpdata(&good).replace("\"pk\":2", "\"pk\":2,\"pk\":3");
    let cut = dumpdata(&good);
    let cut = &cut[..cut.len() - 10];
    for (file, error) in [
        (bad.as_str(), "no user is imported, because rows are refused (--atomic)"),
        (&broken, "no user is imported, because rows are refused (--atomic)"),
        (cut, "the file ends in the middle of line 3"),
    ] {
        let refused = app.import(file, &["--atomic"]);
        assert_eq!((refused.code, &refused.totals["added"]), (Some(1), &json!(0)), "{refused:?}");
        assert!(refused.stderr.contains(error), "{refused:?}");
        assert_eq!(app.exported().len(), 1);
        assert!(app.audit(&["--event", "users_imported"]).is_empty());
    }
    let imported = app.import(dumpdata(&good), &["--atomic"]);
    assert_eq!((imported.code, imported.counts()), (Some(0), [2, 0, 0]), "{imported:?}");
    assert_eq!(app.audit(&["--event", "users_imported"]).len(), 1);
}

#[apply(on_both_stores)]
async fn dry_run_finds_what_the_import_does(app: TestApp) {
    app.register("ada").await;
    let row = |id: &str, name: &str| format!("{id},{name},{name}{id}@example.com\n");
    let mut file = "id,username,email\n".to_owned();
    for (id, name) in [("1", "grace"), ("2", "GRACE"), ("1", "grace"), ("3", "ADA"), ("4", "hedy")]
    {
        file += &row(id, name);
    }
    let dry = app.import(&file, &["--dry-run"]);
    assert_eq!(dry.totals["dry_run"], true);
    assert_eq!(app.exported().len(), 1);
    assert!(app.audit(&["--event", "users_imported"]).is_empty());
    let real = app.import(&file, &[]);
    assert_eq!((dry.code, dry.counts()), (Some(3), [2, 1, 2]), "{dry:?}");
    assert_eq!((real.code, real.counts()), (dry.code, dry.counts()), "{real:?}");
    let lines = |rows: Vec<(u64, String)>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(lines(real.refused()), lines(dry.refused()));
}

const MAP: &str = r#"
[groups]
editors = { roles = ["editor"], scopes = ["articles:write"] }
"site admins" = { roles = ["admin"] }
[permissions]
"blog.add_post" = { scopes = ["blog:write"] }
[flags]
is_superuser = { roles = ["admin"] }
"#;

#[apply(on_both_stores)]
async fn groups_permissions_and_flags_become_scopes_and_roles_by_the_map_only(app: TestApp) {
    let group = |pk: u64, name: &str, permissions: Value| json!({"model": "auth.group", "pk": pk, "fields": {"name": name, "permissions": permissions}});
    let permission = |pk: u64, codename: &str, content_type: Value| {
        json!({"model": "auth.permission", "pk": pk,
            "fields": {"name": "", "codename": codename, "content_type": content_type}})
    };
    let file = dumpdata(&[
        json!({"model": "contenttypes.contenttype", "pk": 7, "fields": {"app_label": "blog", "model": "post"}}),
        permission(70, "add_post", json!(7)),
        permission(71, "view_post", json!(["blog", "post"])),
        group(1, "editors", json!([70])),
        group(2, "readers", json!([])),
        django_user(1, "ada", json!({"groups": [1, 2], "user_permissions": [71]})),
        django_user(
            2,
            "grace",
            json!({"groups": [["site admins"]], "is_superuser": true,
            "user_permissions": [["add_post", "blog", "post"]]}),
        ),
        django_user(3, "hedy", json!({"groups": [99]})),
        django_user(4, "barbara", json!({"is_staff": true})),
    ]);
    let map = app.file(MAP);
    let map = ["--map", map.to_str().unwrap()];
    let imported = app.import(&file, &map);
    assert_eq!((imported.code, imported.counts()), (Some(3), [3, 0, 1]), "{imported:?}");
    assert_eq!(imported.totals["unmapped"], json!(["group readers", "permission blog.view_post"]));
    assert!(imported.refused()[0].1.starts_with("the group 99 is not in the file"), "{imported:?}");
    let claims = |name: &str| {
        let user = &app.users(&["show", name])[0];
        (user["scopes"].clone(), user["roles"].clone())
    };
    assert_eq!(claims("ada"), (json!(["articles:write", "blog:write"]), json!(["editor"])));
    assert_eq!(claims("grace"), (json!(["blog:write"]), json!(["admin"])));
    assert_eq!(claims("barbara"), (json!([]), json!([])));
    assert_eq!(claims_of(&app.login("ada").await.tokens().access)["roles"], json!(["editor"]));

    // Without a map, no user gets a scope or a role.
    let other = dumpdata(&[django_user(9, "root1", json!({"is_superuser": true, "groups": [1]}))]);
    assert_eq!(app.import(other, &[]).counts(), [1, 0, 0]);
    assert_eq!(claims("root1"), (json!([]), json!([])));

    for (map, reason) in
        [("[group]", "unknown field"), ("[groups]\na={roles=['a b']}", "cannot be")]
    {
        let map = app.file(map);
        let error = app.users_error(&["import", "/dev/null", "--map", map.to_str().unwrap()]);
        assert!(error.contains(reason), "{error}");
    }
}

#[apply(on_both_stores)]
async fn other_models_and_other_names_of_fields_are_imported(app: TestApp) {
    let object = json!({"model": "accounts.Member", "pk": "0b6c", "fields": {
        "login": "ada", "mail": "ada@example.com", "secret": django_hash(), "is_confirmed": true,
        "joined": "2019-01-02 03:04:05", "uuid": "6c7a",
    }});
    let file = dumpdata(&[object]);
    let missing = app.import(&file, &[]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("no auth.user, but accounts.member: name the model with --model")
    );
    let fields = [
        "--model",
        "accounts.Member",
        "--field",
        "username=login",
        "--field",
        "email=mail",
        "--field",
        "password=secret",
        "--field",
        "created_at=joined",
        "--field",
        "external_id=uuid",
        "--email-verified-by",
        "is_confirmed",
    ];
    let imported = app.import(&file, &fields);
    assert_eq!((imported.code, imported.counts()), (Some(0), [1, 0, 0]), "{imported:?}");
    let ada = &app.users(&["show", "ada"])[0];
    assert_eq!(
        (&ada["external_id"], &ada["created_at"]),
        (&json!("6c7a"), &json!("2019-01-02T03:04:05Z"))
    );
    assert_ne!(ada["email_verified_at"], Value::Null);
    assert_eq!(app.login("ada").await.status, 200);

    let csv = format!(
        "\u{feff}id,username,email,password,is_active,date_joined\r\n\
         17,grace,grace@example.com,{},False,2020-01-01 00:00:00+00\r\n\
         18,hedy,hedy@example.com,,true,\r\n",
        django_hash()
    );
    let imported = app.import(&csv, &["--email-verified"]);
    assert_eq!((imported.code, imported.counts()), (Some(0), [2, 0, 0]), "{imported:?}");
    let grace = &app.users(&["show", "grace"])[0];
    assert_ne!(grace["disabled_since"], Value::Null);
    assert_eq!(grace["created_at"], "2020-01-01T00:00:00Z");
    assert_ne!(app.users(&["show", "hedy"])[0]["email_verified_at"], Value::Null);

    for (args, reason) in [
        (
            ["--field", "name=login"],
            "--field name: there is no such field. The fields are username",
        ),
        (["--field", "username"], "must be FIELD=NAME"),
        (["--format", "xml"], "invalid value 'xml'"),
        (["--map", "/nowhere"], "cannot read /nowhere"),
    ] {
        let output = app.cli(&[&["users", "import", "/dev/null"], &args[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(reason), "{error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
    }
    let error = app.users_error(&["import", "/nowhere/users.json"]);
    assert!(error.contains("cannot read /nowhere/users.json"), "{error}");
}

#[apply(on_both_stores)]
async fn external_id_is_shown_and_stated_by_a_setting_only(app: TestApp) {
    assert_eq!(app.import(dumpdata(&[django_user(17, "ada", json!({}))]), &[]).counts(), [1, 0, 0]);
    app.register("grace").await;
    let tokens = app.login("ada").await.tokens();
    assert_eq!(claims_of(&tokens.access).get("external_id"), None);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.json["external_id"], "17");
    let export = app.get("/me/export", Some(&tokens.access)).await;
    assert_eq!(export.json["user"]["external_id"], "17");
    let replica = app.replica_with(|settings| settings.accounts.token_external_id = true).await;
    replica.wait_for_status("/readyz", 200).await;
    let tokens = replica.login("ada").await.tokens();
    assert_eq!(claims_of(&tokens.access)["external_id"], "17");
    assert_eq!(claims_of(&replica.refreshed(&tokens.refresh).await.access)["external_id"], "17");
    let grace = replica.login("grace").await.tokens();
    assert_eq!(claims_of(&grace.access).get("external_id"), None);
    assert_eq!(replica.get("/me", Some(&grace.access)).await.json["external_id"], Value::Null);
    let text = app.cli(&["users", "show", "ada"]);
    assert!(String::from_utf8(text.stdout).unwrap().contains("external id 17\n"));
}

#[apply(on_both_stores)]
async fn names_and_addresses_that_are_kept_are_refused(app: TestApp) {
    app.new_user("ada").await;
    assert!(app.cli(&["users", "delete", "ada", "--yes"]).status.success());
    let file = dumpdata(&[django_user(1, "Ada", json!({}))]);
    let refused = app.import(&file, &[]);
    assert_eq!(refused.counts(), [0, 0, 1]);
    assert!(refused.refused()[0].1.contains("former user"), "{refused:?}");
    // With another name, the deleted user would come back.
    let renamed = app.import(&file, &["--on-conflict", "suffix"]);
    assert_eq!(renamed.counts(), [0, 0, 1], "{renamed:?}");
    assert!(renamed.refused()[0].1.contains("former user"), "{renamed:?}");
    assert_eq!(app.import(&file, &["--allow-reserved"]).counts(), [1, 0, 0]);
}

#[apply(on_both_stores)]
async fn user_with_another_name_by_now_is_recognised_by_the_id(app: TestApp) {
    let file = dumpdata(&[django_user(1, "ada", json!({}))]);
    assert_eq!(app.import(&file, &["--email-verified"]).counts(), [1, 0, 0]);
    let access = app.login("ada").await.tokens().access;
    let name = json!({"username": "lovelace"});
    let answer = app.send_with(&access, reqwest::Method::PATCH, "/me", name).await;
    assert_eq!(answer.status, 200);
    for choice in ["skip", "suffix", "fail"] {
        for args in [&["--on-conflict", choice][..], &["--on-conflict", choice, "--dry-run"]] {
            let again = app.import(&file, args);
            assert_eq!((again.code, again.counts()), (Some(0), [0, 1, 0]), "{args:?} {again:?}");
        }
    }
    let other = django_user(2, "ada", json!({"email": "other@example.com"}));
    let refused = app.import(dumpdata(&[other]), &["--on-conflict", "suffix"]);
    assert_eq!(refused.counts(), [0, 0, 1], "{refused:?}");
    assert!(refused.refused()[0].1.contains("former user"), "{refused:?}");
}

#[apply(on_both_stores)]
async fn roles_scopes_and_another_id_of_dumpdata_are_taken_only_from_named_fields(app: TestApp) {
    let fields = json!({"external_id": "17", "id": 18, "roles": "admin", "scopes": ["all"]});
    let shown = |name: &str| {
        let user = &app.users(&["show", name])[0];
        ["external_id", "roles", "scopes"].map(|field| user[field].clone())
    };
    let ada = dumpdata(&[django_user(1, "ada", fields.clone())]);
    assert_eq!(app.import(ada, &[]).counts(), [1, 0, 0]);
    assert_eq!(shown("ada"), [json!("1"), json!([]), json!([])]);
    let named = ["external_id=external_id", "roles=roles", "scopes=scopes"];
    let named = named.map(|assignment| ["--field", assignment]).concat();
    let grace = dumpdata(&[django_user(2, "grace", fields)]);
    assert_eq!(app.import(grace, &named).counts(), [1, 0, 0]);
    assert_eq!(shown("grace"), [json!("17"), json!(["admin"]), json!(["all"])]);
}

#[apply(on_both_stores)]
async fn hash_that_wrong_passwords_match_or_that_costs_too_much_must_be_reset(app: TestApp) {
    let hash = |pk: u64, name: &str, hash: &str| django_user(pk, name, json!({"password": hash}));
    let digest = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let file = dumpdata(&[
        hash(1, "ada", "pbkdf2_sha256$1$salt$AA=="),
        hash(2, "grace", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAECAw"),
        hash(3, "hedy", "$scrypt$ln=4,r=8,p=1$c2FsdA$AAECAwQFBgcICQ"),
        hash(4, "barbara", &format!("$scrypt$ln=1,r=1,p=4194304$c2FsdA${digest}")),
    ]);
    let imported = app.import(&file, &[]);
    assert_eq!((imported.code, imported.counts()), (Some(0), [4, 0, 0]), "{imported:?}");
    assert_eq!(imported.totals["must_reset"], json!({"unknown_hash": 3, "too_expensive": 1}));
    assert!(app.exported().iter().all(|user| user["password"] == "!"));
}

#[apply(on_both_stores)]
async fn number_that_has_lost_digits_is_no_external_id(app: TestApp) {
    let row = |id: &str, name: &str| {
        format!("{{\"id\":{id},\"username\":\"{name}\",\"email\":\"{name}@example.com\"}}\n")
    };
    let file = [
        row("18446744073709551615", "ada"),
        row("18446744073709551616", "grace"),
        row("18446744073709551617", "hedy"),
        row("1.0", "barbara"),
        row("\"18446744073709551617\"", "frances"),
    ];
    let imported = app.import(file.concat(), &[]);
    assert_eq!((imported.code, imported.counts()), (Some(3), [2, 0, 3]), "{imported:?}");
    let reason = "external_id is a number, but no integer of 64 bits: write it as text";
    assert_eq!(imported.refused(), [2, 3, 4].map(|line| (line, reason.to_owned())));
}
