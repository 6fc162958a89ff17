//! `auth-service users`: creation, lists, resets of passwords, logout, deletion.

use std::{
    io::{Read, Write},
    process::{Command, Output, Stdio},
};

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, wait_until};

use crate::support::{TestApp, keys::new_secret, on_both_stores};

impl TestApp {
    /// Runs `auth-service users` with `--json`, which must succeed. Returns the lines.
    pub fn users(&self, args: &[&str]) -> Vec<Value> {
        let output = self.cli(&[&["users"], args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs `auth-service users`, which must fail. Returns the error line.
    pub fn users_error(&self, args: &[&str]) -> String {
        let output = self.cli(&[&["users"], args].concat());
        assert!(!output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Creates a user with the email address NAME@example.com. Returns the code for the password.
    pub fn create_user(&self, name: &str, more: &[&str]) -> String {
        let email = format!("{name}@example.com");
        let created = self.users(&[&["create", name, "--email", &email], more].concat());
        created[0]["code"].as_str().unwrap().to_owned()
    }

    pub fn reset_password(&self, name: &str) -> String {
        self.users(&["reset-password", name])[0]["code"].as_str().unwrap().to_owned()
    }

    pub async fn confirm(&self, name: &str, code: &str, password: &str) -> Answer {
        let body = json!({"username": name, "code": code, "new_password": password});
        self.post("/password/reset/confirm", body).await
    }

    /// Returns the names of the events about a user.
    pub fn events_about(&self, user: &str) -> Vec<String> {
        let event = |event: &Value| event["event"].as_str().unwrap().to_owned();
        self.audit(&["--user", user]).iter().map(event).collect()
    }
}

const NEW: &str = "a better horse battery";

#[apply(on_both_stores)]
async fn operator_creates_a_user_who_sets_a_password_with_a_code(app: TestApp) {
    let code = app.create_user("ada", &["--role", "admin", "--scope", "reports:read"]);
    app.login("ada").await.assert_problem(401, "no_active_account");
    // A change of roles does not concern the code.
    app.users(&["grant", "ada", "--role", "editor"]);
    let typed = code.to_lowercase().replace('-', " ");
    assert_eq!(app.confirm("ADA@example.com", &typed, NEW).await.status, 204);
    let tokens = app.login_with("ada", NEW).await.tokens();
    let claims = test_support::claims_of(&tokens.access);
    assert_eq!(
        (&claims["roles"], &claims["scope"]),
        (&json!(["admin", "editor"]), &json!("reports:read"))
    );
    assert_eq!(
        app.events_about("ada"),
        ["user_created", "login_failed", "claims_change", "password_change", "login"]
    );
    // The code is spent.
    app.confirm("ada", &code, "another horse battery").await.assert_fields(&["code"]);
}

#[apply(on_both_stores)]
async fn reset_voids_the_password_and_ends_all_sessions(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let first = app.reset_password("ada");
    let code = app.reset_password("ada@example.com");
    app.login("ada").await.assert_problem(401, "no_active_account");
    wait_until("the session ends", async || app.refresh(&tokens.refresh).await.status == 401).await;
    app.confirm("ada", &first, NEW).await.assert_fields(&["code"]);
    assert_eq!(app.confirm("ada", &code, NEW).await.status, 204);
    app.login("ada").await.assert_problem(401, "no_active_account");
    assert_eq!(app.login_with("ada", NEW).await.status, 200);
}

#[apply(on_both_stores)]
async fn one_of_many_uses_of_a_code_at_once_wins(app: TestApp) {
    let code = app.create_user("ada", &[]);
    let passwords: Vec<String> = (0..12).map(|n| format!("horse battery number {n}")).collect();
    let uses = passwords.iter().map(|password| app.confirm("ada", &code, password));
    let answers = join_all(uses).await;
    let winners: Vec<usize> = (0..12).filter(|n| answers[*n].status == 204).collect();
    let [winner] = winners[..] else { panic!("{answers:?}") };
    for (n, answer) in answers.iter().enumerate().filter(|(n, _)| *n != winner) {
        answer.assert_fields(&["code"]);
        // Further wrong passwords would be throttled.
        if n < 3 {
            let login = app.login_with("ada", &passwords[n]).await;
            login.assert_problem(401, "no_active_account");
        }
    }
    assert_eq!(app.login_with("ada", &passwords[winner]).await.status, 200);
}

#[actix_web::test]
async fn refused_codes_and_unknown_users_get_one_answer() {
    let app = TestApp::embedded().await;
    let code = app.create_user("ada", &[]);
    let other = app.create_user("grace", &[]);
    let wrong = app.confirm("ada", "0000-0000-0000", NEW).await;
    assert_eq!(
        (wrong.status, &wrong.json["errors"]),
        (400, &json!({"code": ["The code is wrong, has been used, or has expired."]}))
    );
    let assert_refused = async |name: &str, code: &str| {
        let answer = app.confirm(name, code, NEW).await;
        assert_eq!((answer.status, &answer.json), (400, &wrong.json), "{name} {code}");
    };
    for name in ["unknown", "unknown@example.com", "a\0da", "x"] {
        assert_refused(name, &code).await;
    }
    for bad in [&*other, "7K3M", "not a code at all", &"0".repeat(9999), "' OR 1=1 --"] {
        assert_refused("ada", bad).await;
    }
    // A weak password is refused before the code is spent.
    for weak in ["short", "password123", "ada@example.com"] {
        app.confirm("ada", &code, weak).await.assert_fields(&["new_password"]);
    }
    // A disabled user stays disabled, and the change voids the code.
    app.users(&["disable", "grace"]);
    assert_refused("grace", &other).await;
    let issued_while_disabled = app.reset_password("grace");
    assert_refused("grace", &issued_while_disabled).await;
    app.users(&["enable", "grace"]);
    assert_refused("grace", &other).await;
    assert_eq!(app.confirm("grace", &issued_while_disabled, NEW).await.status, 204);
    app.advance(3601);
    assert_refused("ada", &code).await;
    assert!(app.events_about("ada").contains(&"password_reset_failed".to_owned()));
    // The table has the MAC of a code only.
    let file = std::fs::read(app.folder.path().join("auth.sqlite3")).unwrap();
    for text in [code.clone(), code.replace('-', "")] {
        assert!(!file.windows(text.len()).any(|window| window == text.as_bytes()));
    }
}

#[actix_web::test]
async fn code_survives_the_replacement_of_the_secret() {
    let app = TestApp::embedded().await;
    let code = app.create_user("ada", &[]);
    let file = app.folder.path().join("secret.key");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, new_secret() + &old).unwrap();
    let replica = app.replica().await;
    let body = json!({"username": "ada", "code": code, "new_password": NEW});
    assert_eq!(replica.post("/password/reset/confirm", body).await.status, 204);
}

#[actix_web::test]
async fn users_are_listed_in_pages_and_by_filters() {
    let app = TestApp::embedded().await;
    for name in ["ada", "grace", "edsger"] {
        app.create_user(name, &[]);
    }
    app.users(&["grant", "ada", "--role", "admin", "--scope", "a_b"]);
    app.users(&["grant", "grace", "--role", "administrator", "--scope", "axb"]);
    app.users(&["disable", "edsger"]);
    let names = |args: &[&str]| -> Vec<String> {
        let found = app.users(&[&["list"], args].concat());
        found.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["ada", "grace", "edsger"]);
    assert_eq!(names(&["--role", "admin"]), ["ada"]);
    assert_eq!(names(&["--role", "Admin"]), [""; 0]);
    assert_eq!(names(&["--scope", "a_b"]), ["ada"]);
    assert_eq!(names(&["--disabled"]), ["edsger"]);
    assert_eq!(names(&["--enabled"]), ["ada", "grace"]);
    assert_eq!(names(&["--name", "GRA"]), ["grace"]);
    assert_eq!(names(&["--name", "%"]), [""; 0]);
    let first = app.users(&["list", "--limit", "2"]);
    assert_eq!(first.len(), 2);
    let last = first[1]["id"].as_str().unwrap();
    assert_eq!(names(&["--limit", "2", "--after", last]), ["edsger"]);
    let text = String::from_utf8(app.cli(&["users", "list", "--limit", "2"]).stdout).unwrap();
    assert!(text.contains(&format!("more: --after {last}")), "{text}");
    // An id is accepted wherever a name is.
    assert_eq!(app.users(&["show", last])[0]["username"], "grace");
}

#[actix_web::test]
async fn logout_ends_all_sessions() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    app.login("ada").await.tokens();
    assert_eq!(app.users(&["logout", "ada"])[0]["sessions_ended"], 2);
    wait_until("the session ends", async || app.refresh(&tokens.refresh).await.status == 401).await;
    assert_eq!(app.login("ada").await.status, 200);
}

#[actix_web::test]
async fn change_that_changes_nothing_is_stated_and_not_recorded() {
    let app = TestApp::embedded().await;
    app.create_user("ada", &["--role", "admin"]);
    let granted = app.users(&["grant", "ada", "--role", "admin", "--scope", "read"]);
    assert_eq!(granted[0]["unchanged"], json!(["role admin"]));
    let revoked = app.users(&["revoke", "ada", "--role", "editor"]);
    assert_eq!(revoked[0]["unchanged"], json!(["role editor"]));
    assert_eq!(app.users(&["enable", "ada"])[0]["changed"], false);
    app.users(&["logout", "ada"]);
    assert_eq!(app.events_about("ada"), ["user_created", "claims_change"]);
    let text = app.cli(&["users", "revoke", "ada", "--role", "editor"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("unchanged: ada does not have the role editor\n"), "{text}");
    app.users(&["disable", "ada"]);
    assert_eq!(app.users(&["disable", "ada"])[0]["changed"], false);
}

#[actix_web::test]
async fn names_that_impersonate_are_created_only_if_the_operator_says_so() {
    let app = TestApp::embedded().await;
    app.register("grace").await;
    app.users(&["delete", "grace", "--yes"]);
    app.register("Grace").await.assert_fields(&["username"]);
    for name in ["admin", "аda", "grace"] {
        let args = ["create", name, "--email", "a@example.com", "--code"];
        assert!(app.users_error(&args).contains("--allow-reserved"), "{name}");
    }
    for (name, email) in [("admin", "a@example.com"), ("grace", "grace@example.com")] {
        app.users(&["create", name, "--email", email, "--code", "--allow-reserved"]);
    }
    let taken = ["create", "ADMIN", "--email", "b@example.com", "--code", "--allow-reserved"];
    assert!(app.users_error(&taken).contains("another user has this username"));
    let bad = ["create", "x", "--email", "a@xn--zzzzzzz99.de"];
    assert!(app.users_error(&bad).contains("Ensure this field has at least 3 characters."));
    // The name is free again once the audit trail has no event of the deleted user.
    let other = TestApp::embedded_with(&["--audit-retention=3600"]).await;
    other.register("grace").await;
    other.users(&["delete", "grace", "--yes"]);
    other.register("grace").await.assert_fields(&["username"]);
    wait_until("the name is free", async || {
        assert!(other.cli(&["cleanup", "--audit-retention=1"]).status.success());
        other.register("grace").await.status == 201
    })
    .await;
}

/// Runs a command with this text as its standard input.
fn run_with_input(app: &TestApp, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.env_clear().args(args).args(["--bcrypt-cost=10", "--data-dir"]).arg(app.folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Runs a command on a terminal. Types each line once the terminal shows its prompt. Returns what
/// the terminal showed, and whether the command succeeded.
fn run_on_terminal(app: &TestApp, args: &[&str], dialog: &[(&str, &str)]) -> (String, bool) {
    let data = app.folder.path().display();
    let program = env!("CARGO_BIN_EXE_auth-service");
    let line = format!("{program} {} --bcrypt-cost=10 --data-dir {data}", args.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    for (prompt, line) in dialog {
        let seen = shown.len();
        while !String::from_utf8_lossy(&shown[seen..]).contains(prompt) {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        writeln!(keyboard, "{line}").unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    drop(keyboard);
    (String::from_utf8(shown).unwrap(), child.wait().unwrap().success())
}

#[actix_web::test]
async fn password_comes_from_standard_input_or_from_the_terminal() {
    let app = TestApp::embedded().await;
    let create = |name: &'static str| ["users", "create", name, "--email"];
    let stdin = [&create("ada")[..], &["ada@example.com", "--password-stdin"]].concat();
    for weak in ["short\n", "ada@example.com\n", "\n", ""] {
        let output = run_with_input(&app, &stdin, weak);
        assert_eq!(output.status.code(), Some(1), "{weak:?} {output:?}");
    }
    let output = run_with_input(&app, &stdin, "correct horse battery\nsecond line\n");
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("code"));
    assert_eq!(app.login("ada").await.status, 200);

    let terminal = [&create("grace")[..], &["grace@example.com"]].concat();
    let password = "correct horse battery";
    let type_twice = |second| [("for the user): ", password), ("again: ", second)];
    let (shown, succeeded) = run_on_terminal(&app, &terminal, &type_twice("another"));
    assert!(!succeeded && shown.contains("the passwords differ"), "{shown}");
    let (shown, succeeded) = run_on_terminal(&app, &terminal, &type_twice(password));
    assert!(succeeded && !shown.contains("horse") && !shown.contains("code  "), "{shown}");
    assert_eq!(app.login("grace").await.status, 200);
    // An empty password means that the user sets one.
    let terminal = [&create("edsger")[..], &["edsger@example.com"]].concat();
    let (shown, succeeded) = run_on_terminal(&app, &terminal, &[("for the user): ", "")]);
    assert!(succeeded && shown.contains("code  "), "{shown}");
}

#[actix_web::test]
async fn deletion_is_confirmed() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    let output = run_with_input(&app, &["users", "delete", "ada"], "y\n");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let question = "Delete ada (ada@example.com";
    let (shown, succeeded) = run_on_terminal(&app, &["users", "delete", "ada"], &[(question, "n")]);
    assert!(!succeeded && shown.contains("nothing has changed"), "{shown}");
    assert_eq!(app.login("ada").await.status, 200);
    let (shown, succeeded) = run_on_terminal(&app, &["users", "delete", "ada"], &[(question, "y")]);
    assert!(succeeded && shown.contains("Deleted ada"), "{shown}");
    app.login("ada").await.assert_problem(401, "no_active_account");
}

#[actix_web::test]
async fn audit_trail_names_users_and_operators_and_refuses_unknown_filters() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let id = test_support::claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.env_clear().env("USER", "root").env("SUDO_USER", "olga").env("LOGNAME", "root");
    command.args(["users", "delete", "ada", "--yes", "--data-dir"]).arg(app.folder.path());
    assert!(command.output().unwrap().status.success());
    for user in ["ada", &id] {
        let output = app.cli(&["audit", "--user", user]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches(&format!("user={id}  username=ada")).count(), 3, "{text}");
        assert!(text.lines().last().unwrap().contains("by operator  operator=olga"), "{text}");
    }
    let unknown = "01a20ee7-b215-7041-8694-ef34a8273545";
    for (args, code, expected) in [
        (["--event", "logn"], 2, "there is no event logn. The events are "),
        (["--client", "unknown"], 1, "the client unknown does not exist"),
        (["--client", "ä"], 1, "the client ä does not exist"),
        (["--user", "unknown"], 1, "the user unknown does not exist"),
        (["--user", unknown], 1, "does not exist"),
    ] {
        let output = app.cli(&["audit", args[0], args[1]]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(expected) && output.stdout.is_empty(), "{errors}");
    }
    let known = app.cli(&["audit", "--event", "key_retired"]);
    assert!(known.status.success() && known.stdout.is_empty(), "{known:?}");
}
