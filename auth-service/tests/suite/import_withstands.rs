//! What an import withstands: broken files, huge rows, crashes, and other imports.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{run_python, sized, sql, wait_until};

use crate::support::{
    TestApp, auth_service_command,
    import::{django_hash, django_user, dumpdata},
    on_both_stores,
};

#[apply(on_both_stores)]
async fn broken_row_costs_one_row_and_is_reported_with_its_line(app: TestApp) {
    let user = |pk: u64, changed: Value| django_user(pk, &format!("user{pk}"), changed).to_string();
    let huge = "x".repeat(1 << 20);
    let mut rows: Vec<Vec<u8>> = vec![
        user(1, json!({})).into(),
        user(2, json!({})).replace("\"pk\":2", "\"pk\":2,\"pk\":3").into(),
        user(3, json!({})).replace("\"email\"", "\"username\":\"other\",\"email\"").into(),
        user(4, json!({"first_name": huge})).into(),
        user(5, json!({"username": "user5\0"})).into(),
        user(6, json!({"email": "a\0@example.com"})).into(),
        user(7, json!({})).replace("user7\"", "user7\u{0}\"").into(),
        b"{\"model\": \"auth.user\", \"fields\": {\"username\": \"user8\xff\"}}".to_vec(),
        b"{\"model\": secret}".to_vec(),
        b"7".to_vec(),
        user(11, json!({"username": ["user11"]})).into(),
        user(12, json!({"date_joined": "yesterday"})).into(),
        user(13, json!({"is_active": "perhaps"})).into(),
        user(14, json!({"password": format!("pbkdf2_sha256$10000000$salt${}=", "A".repeat(43))}))
            .into(),
        user(15, json!({})).replace("\"pk\":15", "\"pk\":\"a\\u0000b\"").into(),
        user(16, json!({"username": "\u{1b}[2Jevil"})).into(),
    ];
    let last = user(17, json!({}));
    let mut file = b"[\n".to_vec();
    for row in &mut rows {
        file.append(row);
        file.extend(b",\n");
    }
    file.extend(last.as_bytes());
    file.extend(b"\n]\n");
    let imported = app.import(&file, &[]);
    assert_eq!((imported.code, imported.counts()), (Some(3), [3, 0, 14]), "{imported:?}");
    assert_eq!(imported.totals["must_reset"], json!({"too_expensive": 1}));
    let refused = imported.refused();
    let lines: Vec<u64> = refused.iter().map(|row| row.0).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17]);
    for (line, reason) in [
        (3, "the row has the member \"pk\" twice"),
        (4, "the row has the member \"username\" twice"),
        (5, "the row is longer than 1048576 bytes"),
        (9, "the row is not UTF-8"),
        (10, "the row is not JSON: error at its byte 11"),
        (11, "the row is no JSON object"),
        (12, "username is no text"),
        (13, "created_at is no time"),
        (14, "is_active is neither true nor false"),
    ] {
        let found = refused.iter().find(|row| row.0 == line).unwrap();
        assert_eq!(found.1, reason, "{line}");
    }
    let file = app.file(&file);
    let text = app.cli(&["users", "import", file.to_str().unwrap()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("line 17: \\u{1b}[2Jevil: the username breaks a rule"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("pbkdf2"), "{text}");
}

#[apply(on_both_stores)]
async fn cut_file_is_imported_up_to_the_cut_and_reported(app: TestApp) {
    let users: Vec<Value> =
        (1..=10).map(|pk| django_user(pk, &format!("user{pk}"), json!({}))).collect();
    let file = dumpdata(&users);
    let at = file.find("user6").unwrap();
    let cut = app.import(&file[..at], &[]);
    assert_eq!((cut.code, cut.counts()), (Some(1), [5, 0, 0]), "{cut:?}");
    let error = "error: the file ends in the middle of line 7: it is not complete\n";
    assert!(cut.stderr.ends_with(error), "{}", cut.stderr);
    let rest = app.import(&file, &[]);
    assert_eq!((rest.code, rest.counts()), (Some(0), [5, 5, 0]), "{rest:?}");

    let lines = "{\"username\": \"ada\", \"email\": \"ada@example.com\"}\n{\"username\": \"gr";
    let cut = app.import(lines, &[]);
    assert_eq!((cut.code, cut.counts()), (Some(1), [1, 0, 0]), "{cut:?}");
    assert!(cut.stderr.contains("in the middle of line 2"), "{}", cut.stderr);
    let csv = "username,email\nhedy,hedy@example.com\nbarbara,\"barb";
    let cut = app.import(csv, &[]);
    assert_eq!((cut.code, cut.counts()), (Some(1), [1, 0, 0]), "{cut:?}");
    let csv = "username,email\nfrances,frances@example.com\nbob,bob@example.co";
    let cut = app.import(csv, &[]);
    assert_eq!((cut.code, cut.counts()), (Some(1), [1, 0, 0]), "{cut:?}");
    let error = "error: the file ends in the middle of line 3: it is not complete\n";
    assert!(cut.stderr.ends_with(error), "{}", cut.stderr);
    let csv = "username,email,note\nkatherine,katherine@example.com,5\" pipe\n";
    let complete = app.import(csv, &[]);
    assert_eq!((complete.code, complete.counts()), (Some(0), [1, 0, 0]), "{complete:?}");
    for (file, reason) in [
        ("", "the file has no header"),
        ("[", "the file ends in the middle of line 1"),
        ("[]\nmore", "line 2: there is text after the end of the array"),
        ("a,a\n", "the header names a field twice"),
    ] {
        let refused = app.import(file, &[]);
        assert_eq!(refused.code, Some(1), "{file}: {refused:?}");
        assert!(refused.stderr.contains(reason), "{file}: {}", refused.stderr);
    }
    let refused = app.import("{}", &["--format", "json"]);
    assert!(refused.stderr.contains("line 1: the file is no JSON array"), "{}", refused.stderr);
}

#[apply(on_both_stores)]
async fn standard_input_is_imported(app: TestApp) {
    let mut command = app.command(&["users", "import", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let file = dumpdata(&[django_user(1, "ada", json!({}))]);
    process.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"1 rows: 1 added, 0 already there, 0 refused\n");
    assert_eq!(app.login("ada").await.status, 200);
}

/// Returns a file with this many users, as JSON lines.
fn many(count: usize, offset: usize) -> String {
    let hash = django_hash();
    let row = |number: usize| {
        format!(
            "{{\"id\":{number},\"username\":\"user{number}\",\"email\":\"user{number}@example.com\",\
             \"password\":\"{hash}\"}}\n"
        )
    };
    (offset..offset + count).map(row).collect()
}

fn import_command(app: &TestApp, file: &str) -> Command {
    let mut command = auth_service_command(&app.folder, &["users", "import", file, "--json"]);
    let url = app.database.as_ref().unwrap().url();
    command.args(["--database-url", &url, "--redis-url", "redis://127.0.0.1:1/"]);
    command
}

fn users_in(app: &TestApp) -> usize {
    sql(&app.database.as_ref().unwrap().url(), "SELECT 1 FROM users")
}

#[actix_web::test]
async fn killed_import_goes_on_where_it_was() {
    let app = TestApp::deployed().await;
    let count = sized(8_000, 50_000, 200_000);
    let file = app.file(many(count, 0));
    let mut command = import_command(&app, file.to_str().unwrap());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    wait_until("the first batch", async || users_in(&app) > 0).await;
    process.kill().unwrap();
    process.wait().unwrap();
    let before = wait_until("the end of the last transaction", async || {
        let url = app.database.as_ref().unwrap().url();
        let others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
            AND query LIKE '%INTO users%' AND state <> 'idle' AND pid <> pg_backend_pid()";
        (sql(&url, others) == 0).then(|| users_in(&app))
    })
    .await;
    let again = app.import_file(file.to_str().unwrap(), &[]);
    let before = before as u64;
    assert_eq!(again.counts(), [count as u64 - before, before, 0], "{again:?}");
    assert_eq!(users_in(&app), count);
    assert_eq!(app.login("user7").await.status, 200);
}

#[actix_web::test]
async fn imports_at_once_neither_deadlock_nor_add_a_user_twice() {
    let app = TestApp::deployed().await;
    let count = sized(6_000, 20_000, 100_000);
    let forward = many(count, 0);
    // The second import meets the users of the first in the opposite order.
    let backward: String = forward.lines().rev().map(|line| format!("{line}\n")).collect();
    let files = [app.file(&forward), app.file(backward), app.file(&forward)];
    let outputs: Vec<_> = thread::scope(|scope| {
        let run = |file: &std::path::PathBuf| {
            let mut command = import_command(&app, file.to_str().unwrap());
            scope.spawn(move || command.output().unwrap())
        };
        let running: Vec<_> = files.iter().map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut added = 0;
    for output in &outputs {
        assert!(output.status.success(), "{output:?}");
        let last = String::from_utf8_lossy(&output.stdout);
        let totals: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
        let number = |name: &str| totals[name].as_u64().unwrap();
        assert_eq!(number("added") + number("already_there"), count as u64, "{totals}");
        added += number("added");
    }
    assert_eq!((added, users_in(&app)), (count as u64, count));
}

/// The size that the project promises a time for. `TEST_LONG=full` imports it.
#[actix_web::test]
async fn memory_of_an_import_does_not_depend_on_its_size() {
    let app = TestApp::deployed().await;
    let count = sized(10_000, 100_000, 1_000_000);
    let file = app.file(many(count, 0));
    let mut args = vec![env!("CARGO_BIN_EXE_auth-service").to_owned()];
    let command = import_command(&app, file.to_str().unwrap());
    args.extend(command.get_args().map(|arg| arg.to_str().unwrap().to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/measure.py");
    let measured = run_python(program, &args, "");
    println!("{count} users: {measured}");
    assert_eq!(measured["code"], 0, "{measured}");
    assert!(measured["peak_kib"].as_u64().unwrap() < 100 * 1024, "{measured}");
    assert_eq!(users_in(&app), count);
}
