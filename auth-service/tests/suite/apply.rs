//! `auth-service apply`: clients, grants and reserved names from a file.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Output,
};

use diesel::{RunQueryDsl, sql_query};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{claims_of, wait_until, write_private};

use crate::support::{
    TestApp,
    keys::{new_secret, stderr_of, stdout_of},
    on_both_stores, open_sqlite,
};

impl TestApp {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a secret file for a client, and returns the secret.
    fn secret_file(&self, name: &str) -> String {
        let secret = new_secret();
        write_private(self.path(name), &secret);
        secret.trim().to_owned()
    }

    /// Runs `auth-service apply` with a file of this text.
    pub fn apply(&self, text: &str, args: &[&str]) -> Output {
        let file = self.path("access.toml");
        fs::write(&file, text).unwrap();
        self.cli(&[&["apply", file.to_str().unwrap()], args].concat())
    }

    /// Applies a file, and returns what the command prints.
    pub fn applied(&self, text: &str, args: &[&str]) -> String {
        stdout_of(self.apply(text, args))
    }

    /// Applies a file that is refused, and returns the lines of the faults and the error.
    #[track_caller]
    fn refused(&self, text: &str, args: &[&str]) -> (Vec<String>, String) {
        let output = self.apply(text, args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let file = format!("{}:", self.path("access.toml").display());
        let text = String::from_utf8(output.stdout).unwrap();
        let faults = text.lines().map(|line| line.strip_prefix(&file).unwrap().to_owned());
        (faults.collect(), String::from_utf8(output.stderr).unwrap())
    }

    /// Returns the names and the details of the events that operators caused.
    fn operator_events(&self) -> Vec<(String, String)> {
        let events = self.audit(&[]).into_iter().filter(|event| event["actor"] == "operator");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        events.map(|event| (text(&event["event"]), text(&event["detail"]))).collect()
    }
}

fn pair(name: &str, detail: &str) -> (String, String) {
    (name.to_owned(), detail.to_owned())
}

const FILE: &str = r#"
reserved_names = ["acme"]

[[clients]]
id = "reports-api"

[[clients]]
id = "billing-job"
scope = ["reports:write", "reports:read"]
audience = ["mail"]
secret_file = "billing-job.secret"

[[grants]]
user = "grace@example.com"
roles = ["editor"]

[[grants]]
user = "ada"
scope = ["reports:read"]
roles = ["admin", "editor"]
"#;

#[apply(on_both_stores)]
async fn file_is_applied_once(app: TestApp) {
    let ada = app.new_user("ada").await;
    app.new_user("grace").await;
    app.users(&["verify-email", "grace"]);
    app.client("reports-api", &[]);
    let granted = app.cli(&["users", "grant", "ada", "--role", "editor", "--role", "support"]);
    assert!(granted.status.success());
    let secret = app.secret_file("billing-job.secret");
    let earlier = app.operator_events();
    let changes = "\
        + client billing-job: scope reports:read, scope reports:write, audience mail, \
        secret from billing-job.secret\n\
        + grants of ada: +scope reports:read, +role admin\n\
        + grants of grace: +role editor\n\
        + reserved name acme\n";

    let dry_run = app.applied(FILE, &["--dry-run"]);
    assert_eq!(dry_run, format!("{changes}4 changes, not applied (--dry-run)\n"));
    assert_eq!(app.operator_events(), earlier);
    assert_eq!(app.applied(FILE, &[]), format!("{changes}4 changes applied\n"));
    let events = app.operator_events();
    assert_eq!(
        events[earlier.len()..],
        [
            pair("client_created", "scope: reports:read reports:write; audiences: mail"),
            pair("claims_change", "granted scope reports:read role admin"),
            pair("claims_change", "granted role editor"),
            pair("name_reserved", "acme"),
        ]
    );
    for args in [&["--dry-run"][..], &[]] {
        assert_eq!(app.applied(FILE, args), "no changes\n");
    }
    assert_eq!(app.operator_events(), events);

    let token = app.client_token(&("billing-job".to_owned(), secret)).await;
    let claims = claims_of(&token);
    assert_eq!(claims["scope"], "reports:read reports:write");
    assert_eq!(claims["aud"], json!("mail"));
    let mut refresh = ada.refresh;
    let claims = wait_until("the tokens carry the grants", async || {
        let tokens = app.refreshed(&refresh).await;
        refresh = tokens.refresh;
        let claims = claims_of(&tokens.access);
        (claims["scope"] == "reports:read").then_some(claims)
    })
    .await;
    // The file does not name the role `support`, and takes nothing away.
    assert_eq!(claims["roles"], json!(["editor", "support", "admin"]));
}

#[apply(on_both_stores)]
async fn file_changes_scopes_audiences_and_secrets_of_clients(app: TestApp) {
    let old = app.secret_file("job.secret");
    let file = |scope: &str, more: &str| {
        format!(
            "[[clients]]\nid = \"job\"\nscope = [{scope}]\nsecret_file = \"job.secret\"\n{more}"
        )
    };
    app.applied(&file("\"a\", \"b\"", "audience = [\"mail\"]"), &[]);
    let next = file("\"b\", \"c\", \"c\"", "");
    let printed = app.applied(&next, &[]);
    let change = "~ client job: +scope c, -scope a, -audience mail\n";
    assert_eq!(printed, format!("{change}1 change applied\n"));
    assert_eq!(app.applied(&next, &[]), "no changes\n");

    let new = app.secret_file("job.secret");
    let printed = app.applied(&next, &[]);
    assert_eq!(printed, "~ client job: secret from job.secret\n1 change applied\n");
    assert_eq!(app.applied(&next, &[]), "no changes\n");
    app.wait_for_token_status(&("job".into(), old.clone()), 401).await;
    app.client_token(&("job".into(), new.clone())).await;
    // Without a secret file, the secret stays as it is.
    assert_eq!(
        app.applied("[[clients]]\nid = \"job\"\nscope = [\"b\", \"c\"]", &[]),
        "no changes\n"
    );

    let both = app.secret_file("job.secret");
    let printed = app.applied(&file("", ""), &[]);
    assert_eq!(
        printed,
        "~ client job: -scope b, -scope c\n~ client job: secret from job.secret\n\
         2 changes applied\n"
    );
    let events = app.operator_events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "client_created",
            "client_changed",
            "client_secret_rotated",
            "client_changed",
            "client_secret_rotated"
        ]
    );
    assert_eq!(events[1].1, "scope: b c");
    let seen = format!("{events:?}{printed}");
    for secret in [old, new, both] {
        assert!(!seen.contains(&secret), "{seen}");
    }
}

#[apply(on_both_stores)]
async fn only_prune_removes_what_the_file_does_not_name(app: TestApp) {
    for name in ["ada", "grace", "mary"] {
        app.new_user(name).await;
        app.users(&["grant", name, "--role", "editor", "--scope", "read"]);
    }
    app.client("old-job", &[]);
    app.client("kept", &["read"]);
    app.applied("reserved_names = [\"acme\", \"shop\"]", &[]);
    let clients = "[[clients]]\nid = \"kept\"\nscope = [\"read\"]\n";
    let grants = "[[grants]]\nuser = \"ada\"\nroles = [\"editor\"]\nscope = [\"write\"]\n\
                  [[grants]]\nuser = \"mary\"\nroles = [\"editor\"]\nscope = [\"read\"]\n";
    let all = format!("reserved_names = [\"shop\"]\n{clients}{grants}");
    let added = app.applied(&all, &["--dry-run"]);
    assert_eq!(added, "+ grants of ada: +scope write\n1 change, not applied (--dry-run)\n");

    // Kinds that the file does not have stay as they are.
    assert_eq!(app.applied(clients, &["--prune"]), "- client old-job\n1 change applied\n");
    app.client("old-job", &[]);
    assert_eq!(
        app.applied(&all, &["--prune=reserved_names,grants"]),
        "~ grants of ada: +scope write, -scope read\n\
         - grants of grace: -scope read, -role editor\n\
         - reserved name acme\n3 changes applied\n"
    );
    assert_eq!(app.applied(&all, &["--prune"]), "- client old-job\n1 change applied\n");
    assert_eq!(app.applied(&all, &["--prune"]), "no changes\n");
    let none = "clients = []\nreserved_names = []\n";
    assert_eq!(app.applied(none, &[]), "no changes\n");
    assert_eq!(
        app.applied(none, &["--prune"]),
        "- client kept\n- reserved name shop\n2 changes applied\n"
    );
    let (_, error) = app.refused(grants, &["--prune=grants,clients"]);
    assert!(error.contains("the file does not have clients"), "{error}");
    let (_, error) = app.refused("clients = [", &["--prune"]);
    assert!(error.contains("and nothing is changed"), "{error}");
    let output = app.apply(grants, &["--prune=users"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[apply(on_both_stores)]
async fn last_administrator_loses_the_role_only_on_demand(app: TestApp) {
    for name in ["ada", "grace", "mary"] {
        app.new_user(name).await;
    }
    for name in ["ada", "grace"] {
        app.users(&["grant", name, "--role", "admin"]);
    }
    let editor = "[[grants]]\nuser = \"mary\"\nroles = [\"editor\"]\n";
    let (faults, error) = app.refused(editor, &["--prune"]);
    assert!(faults.is_empty(), "{faults:?}");
    assert!(error.contains("no enabled user would have the role admin: ada, grace"), "{error}");
    // One of them keeps the role, another user gets it.
    let one = "[[grants]]\nuser = \"grace\"\nroles = [\"admin\"]\n";
    assert_eq!(app.applied(one, &["--prune"]), "- grants of ada: -role admin\n1 change applied\n");
    let another = editor.replace("editor", "admin");
    app.users(&["disable", "mary"]);
    let (_, error) = app.refused(&another, &["--prune"]);
    assert!(error.contains("admin: grace would lose it. Add --allow-no-admin"), "{error}");
    app.users(&["enable", "mary"]);
    assert_eq!(
        app.applied(&another, &["--prune"]),
        "- grants of grace: -role admin\n+ grants of mary: +role admin\n2 changes applied\n"
    );
    assert_eq!(
        app.applied("grants = []", &["--prune", "--allow-no-admin"]),
        "- grants of mary: -role admin\n1 change applied\n"
    );
}

#[apply(on_both_stores)]
async fn address_that_is_not_verified_gets_no_grant(app: TestApp) {
    let id = claims_of(&app.new_user("grace").await.access)["sub"].clone();
    let by_address = "[[grants]]\nuser = \"grace@example.com\"\nroles = [\"editor\"]\n";
    let (faults, _) = app.refused(by_address, &[]);
    let fault = "2: the address grace@example.com is not verified, and any visitor may have";
    assert!(faults.len() == 1 && faults[0].starts_with(fault), "{faults:?}");
    assert!(app.operator_events().is_empty());
    let by_id = by_address.replace("grace@example.com", id.as_str().unwrap());
    assert_eq!(app.applied(&by_id, &[]), "+ grants of grace: +role editor\n1 change applied\n");
    app.users(&["verify-email", "grace"]);
    assert_eq!(app.applied(by_address, &[]), "no changes\n");
}

#[actix_web::test]
async fn prune_does_not_take_grants_from_a_thousand_users() {
    let app = TestApp::embedded().await;
    app.new_user("ada").await;
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 1000)
        INSERT INTO users (id, username, username_key, email, email_key, password_hash, scope,
            roles, created_at)
        SELECT printf('0190163d-8694-739b-aea5-%012d', i), 'user' || i, 'user' || i,
            'user' || i || '@example.com', 'user' || i || '@example.com', '!', 'read', '', 0
        FROM n";
    sql_query(insert).execute(&mut open_sqlite(&app.folder)).unwrap();
    let file = "[[grants]]\nuser = \"ada\"\nroles = [\"editor\"]\n";
    let (_, error) = app.refused(file, &["--prune"]);
    assert!(error.contains("from more than 1000 users whom the file does not name"), "{error}");
    assert_eq!(app.applied(file, &[]), "+ grants of ada: +role editor\n1 change applied\n");
}

#[actix_web::test]
async fn every_fault_is_reported_with_its_line_and_nothing_is_changed() {
    let app = TestApp::embedded().await;
    app.new_user("ada").await;
    app.secret_file("good.secret");
    let long = "x".repeat(100);
    let many: Vec<String> =
        (0..21).map(|n| format!("\"{}\"", &format!("{n:02}{long}")[..100])).collect();
    let text = format!(
        r#"reserved_names = ["acme", "a b", 1]
scopes = []

[[clients]]
id = "good"
secret_file = "good.secret"

[[clients]]
scope = "read"

[[clients]]
id = "first-party"
secret = "hunter2"
scope = ["read", "a b",
    "\"", 7]
audience = ["a b", ""]

[[clients]]
id = "good"

[[clients]]
id = "without-secret"

[[clients]]
id = "missing-file"
secret_file = "nowhere.secret"

[[clients]]
id = "many"
secret_file = "good.secret"
scope = [{many}]

[[grants]]
user = "ada"
roles = ["editor"]
role = ["admin"]

[[grants]]
user = "ADA@example.com"

[[grants]]
user = "unknown"

[[grants]]
roles = true

[[webhook]]
url = "https://example.com"
"#,
        many = many.join(", ")
    );
    let (faults, error) = app.refused(&text, &["--prune"]);
    let names =
        "must be 1 to 100 printable ASCII characters without spaces, quotes and backslashes";
    let username = "Enter a valid username: letters, digits and _ . - only.";
    assert_eq!(
        faults,
        [
            format!("1: \"a b\" in reserved_names is no username: {username}"),
            "1: reserved_names must be an array of strings".into(),
            "2: unknown key scopes: the keys of the file are clients, grants, reserved_names, webhooks"
                .into(),
            "8: a client needs the key id".into(),
            "9: scope must be an array of strings, and is of the type string".into(),
            "12: the id \"first-party\" must not be first-party: it is the client id in tokens of \
             users"
                .into(),
            "13: unknown key secret: the keys of a client are id, scope, audience, secret_file"
                .into(),
            format!("14: \"a b\" in scope {names}"),
            format!("15: \"\\\"\" in scope {names}"),
            "15: scope must be an array of strings".into(),
            "16: \"\" in audience must not be empty".into(),
            "16: \"a b\" in audience must not contain spaces".into(),
            "19: the client good is in line 5 already".into(),
            "22: the client without-secret does not exist yet, and needs the key secret_file"
                .into(),
            "26: the secret file nowhere.secret cannot be read: No such file or directory (os \
             error 2)"
                .into(),
            "29: the scopes are longer than 2000 bytes".into(),
            "36: unknown key role: the keys of a grant are user, scope, roles".into(),
            "39: the user ada is in line 34 already".into(),
            "42: the user unknown does not exist".into(),
            "44: a grant needs the key user".into(),
            "45: roles must be an array of strings, and is of the type boolean".into(),
            "47: unknown key webhook: the keys of the file are clients, grants, reserved_names, \
             webhooks"
                .into(),
        ]
    );
    assert!(error.contains("access.toml has 22 faults, and nothing is changed"), "{error}");
    assert!(!format!("{faults:?}{error}").contains("hunter2"));
    assert!(app.operator_events().is_empty());

    let (faults, _) =
        app.refused("[[clients]]\nid = \"a\"\nid = \"b\"\n\n[[grants]]\nuser = ada\n", &[]);
    let lines: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
    assert_eq!(lines, ["3", "6"], "{faults:?}");
    assert!(faults.iter().all(|fault| fault.contains(": not TOML: ")), "{faults:?}");
    let (faults, _) = app.refused("clients = 1\n[grants]\nuser = \"ada\"\n", &[]);
    assert_eq!(
        faults,
        [
            "1: write [[clients]] for each of the clients",
            "2: write [[grants]] for each of the grants"
        ]
    );
    let objects = stdout_with_code(app.apply("clients = 1\n", &["--json"]), 2);
    let fault = "write [[clients]] for each of the clients";
    assert_eq!(objects, [json!({"line": 1, "fault": fault})]);
}

fn stdout_with_code(output: Output, code: i32) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn secret_file_must_be_private_and_hard_to_guess() {
    let app = TestApp::embedded().await;
    let client = "[[clients]]\nid = \"job\"\nsecret_file = \"job.secret\"\n";
    let secret = app.secret_file("job.secret");
    let file = app.path("job.secret");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let (faults, _) = app.refused(client, &[]);
    let mode = "3: the secret file job.secret is open to all users of this machine (mode 644): run";
    assert!(faults[0].starts_with(mode), "{faults:?}");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for (content, fault) in [
        ("", "must not be empty"),
        ("one\ntwo\n", "has more than one line"),
        (&secret[..31], "contains a secret that is not 32 to 256 letters, digits and -._~"),
        (&format!("{secret}+"), "contains a secret that is not 32 to 256 letters"),
        (&"changeme".repeat(5), "contains a secret that repeats a short text"),
    ] {
        write_private(&file, content);
        let (faults, error) = app.refused(client, &[]);
        let expected = format!("3: the secret file job.secret {fault}");
        assert!(faults.len() == 1 && faults[0].starts_with(&expected), "{faults:?}");
        let shown = format!("{faults:?}{error}");
        assert!(content.len() < 30 || !shown.contains(content), "{shown}");
    }
    // A name is relative to the folder of the file, or absolute.
    write_private(&file, &secret);
    let absolute = client.replace("job.secret", file.to_str().unwrap());
    let printed = app.applied(&absolute, &[]);
    assert_eq!(
        printed,
        format!("+ client job: secret from {}\n1 change applied\n", file.display())
    );
    assert_eq!(app.applied(client, &[]), "no changes\n");
    assert!(!app.applied(client, &["--json"]).contains(&secret));
}

#[apply(on_both_stores)]
async fn concurrent_applications_make_each_change_once(app: TestApp) {
    for name in ["ada", "grace"] {
        app.new_user(name).await;
    }
    app.users(&["verify-email", "grace"]);
    app.client("reports-api", &["old"]);
    app.secret_file("billing-job.secret");
    let earlier = app.operator_events().len();
    let file = app.path("access.toml");
    fs::write(&file, FILE).unwrap();
    let outputs = std::thread::scope(|scope| {
        let apply = || app.cli(&["apply", file.to_str().unwrap()]);
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(apply)).collect();
        threads.into_iter().map(|thread| stdout_of(thread.join().unwrap())).collect::<Vec<_>>()
    });
    let changing = outputs.iter().filter(|text| text.ends_with("5 changes applied\n")).count();
    let others = outputs.iter().filter(|text| *text == "no changes\n").count();
    assert_eq!((changing, others), (1, 5), "{outputs:?}");
    assert_eq!(app.operator_events().len(), earlier + 5);
}

#[apply(on_both_stores)]
async fn reserved_name_of_the_file_is_refused_until_it_is_released(app: TestApp) {
    let access = app.new_user("ada").await.access;
    let earlier = app.new_user("acme-shop").await.access;
    app.applied("reserved_names = [\"acme_shop\", \"globex\"]", &[]);
    let rename = async |access: &str, name: &str| {
        app.send_with(access, Method::PATCH, "/me", json!({ "username": name })).await
    };
    for name in ["globex", "GLOBEX", "glo-bex", "g1obex"] {
        let answer = app.register(name).await;
        assert_eq!(answer.json["username"][0], "This username is reserved.", "{name}: {answer:?}");
        let answer = rename(&access, name).await;
        assert_eq!(answer.json["username"][0], "This username is reserved.", "{name}: {answer:?}");
        let create = ["create", name, "--email", "x@example.com"];
        assert!(app.users_error(&create).contains("This username is reserved."));
    }
    // A user who has such a name keeps it.
    assert_eq!(rename(&earlier, "acme-shop").await.status, 200);
    app.users(&["create", "Globex", "--email", "x@example.com", "--allow-reserved"]);
    let changed = app.applied("reserved_names = []", &["--prune", "--json"]);
    let objects: Vec<Value> =
        changed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        objects,
        [
            json!({"change": "name_released", "name": "acme_shop"}),
            json!({"change": "name_released", "name": "globex"}),
            json!({"changes": 2, "applied": true}),
        ]
    );
    assert_eq!(app.register("glo-bex").await.status, 201);
}

#[actix_web::test]
async fn changes_are_printed_as_json() {
    let app = TestApp::embedded().await;
    let id = app.new_user("ada").await.access;
    let id = claims_of(&id)["sub"].clone();
    app.client("reports-api", &["old"]);
    app.secret_file("billing-job.secret");
    let file = FILE.replace("grace@example.com", id.as_str().unwrap());
    let (faults, _) = app.refused(&file, &[]);
    assert_eq!(faults, ["18: the user ada is in line 14 already"]);
    let file = file.replace("user = \"ada\"", "user = \"ada\" # twice").replacen(
        &format!("[[grants]]\nuser = {id}\nroles = [\"editor\"]\n"),
        "",
        1,
    );
    let objects = stdout_with_code(app.apply(&file, &["--json", "--dry-run"]), 0);
    assert_eq!(
        objects,
        [
            json!({
                "change": "client_created", "client_id": "billing-job",
                "scopes": ["reports:read", "reports:write"], "audiences": ["mail"],
                "secret_file": "billing-job.secret",
            }),
            json!({
                "change": "client_changed", "client_id": "reports-api",
                "scopes_added": [], "scopes_removed": ["old"],
                "audiences_added": [], "audiences_removed": [],
            }),
            json!({
                "change": "claims_change", "user": id, "username": "ada",
                "scopes_added": ["reports:read"], "scopes_removed": [],
                "roles_added": ["admin", "editor"], "roles_removed": [],
            }),
            json!({"change": "name_reserved", "name": "acme"}),
            json!({"changes": 4, "applied": false}),
        ]
    );
}

#[actix_web::test]
async fn file_that_cannot_be_read_is_named() {
    let app = TestApp::embedded().await;
    fs::write(app.path("latin1.toml"), b"# caf\xe9").unwrap();
    for name in ["nowhere.toml", "latin1.toml"] {
        let file = app.path(name);
        let output = app.cli(&["apply", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(&format!("cannot read {}", file.display())), "{error}");
    }
    let file = app.path("access.toml");
    fs::write(&file, "\u{feff}reserved_names = []\r\n").unwrap();
    assert_eq!(stdout_of(app.cli(&["apply", file.to_str().unwrap()])), "no changes\n");
    let folder = test_support::temp_dir();
    let apply = ["apply", file.to_str().unwrap()];
    let error = stderr_of(crate::support::auth_service(&folder, &apply));
    assert!(error.contains("run `auth-service migrate`"), "{error}");
}
