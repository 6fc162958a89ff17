//! The README and the pages in `docs` are true: the walk-through works when it is pasted, the table
//! has every setting, and the named tests exist.

use std::{
    env, fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::{Arg, Args};
use test_support::{Process, temp_dir};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// Returns the text between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

/// Runs lines in a shell, and returns what they print. Asserts that they print no error.
fn paste(lines: &str) -> String {
    let mut shell = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{printed}");
    printed
}

#[test]
fn the_walk_through_works_when_it_is_pasted() {
    let folder = temp_dir();
    let data = folder.path().join("data");
    let env = [("DATA_DIR", data.to_str().unwrap())];
    let process = Process::start(env!("CARGO_BIN_EXE_local-stack"), 2, &env);
    let readme = read("README.md");
    let section = between(&readme, "## Walk-through", "\n```\n");
    let (_, lines) = section.split_once("```sh\n").unwrap();
    let lines = lines
        .replace("127.0.0.1:8080", &process.addr(0).to_string())
        .replace("127.0.0.1:8081", &process.addr(1).to_string());

    let printed = paste(&lines);
    let mut rest = printed.as_str();
    for expected in [
        "\"username\":\"ada\"}",
        "\"tokens\":{\"access\"",
        "HTTP/1.1 401",
        "HTTP/1.1 200",
        "\"sub\":",
        "{\"access\"",
        "HTTP/1.1 204",
        "HTTP/1.1 401",
        "\"code\":\"token_not_valid\"",
    ] {
        let found = rest.split_once(expected);
        rest = found.unwrap_or_else(|| panic!("{expected} is missing in\n{printed}")).1;
    }

    // The program prints these lines, possibly with log lines between them.
    for line in lines.trim().lines() {
        process.wait_for_log(line);
    }
}

/// Rows of the settings table that no `Settings` describes.
const LOG_SETTINGS: [&str; 3] = [
    "| `RUST_LOG` | – | filter | `info,actix_server=warn,actix_http=off` | both \
     | Which log lines are written: a level, or levels by module |",
    "| `LOG_FILTER_FILE` | – | file | – | both \
     | File that contains this filter instead; read again at SIGHUP |",
    "| `LOG_FORMAT` | – | name | `text` | both \
     | Format of log lines: `text` for people, `json` for machines |",
];

fn settings_table() -> String {
    let mut rows = vec![
        "| variable | option | unit | default | service | what it is |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let auth = auth_service::config::Settings::augment_args(clap::Command::new("auth"));
    let resource = resource_service::Settings::augment_args(clap::Command::new("resource"));
    for (service, command) in [("auth", auth), ("resource", resource)] {
        rows.extend(command.get_arguments().map(|arg| settings_row(service, arg)));
    }
    rows.extend(LOG_SETTINGS.map(str::to_owned));
    format!("\n{}\n", rows.join("\n"))
}

fn settings_row(service: &str, arg: &Arg) -> String {
    let variable = arg.get_env().expect("every setting is an environment variable");
    let variable = variable.to_str().unwrap();
    let option = arg.get_long().unwrap();
    let unit = arg.get_value_names().unwrap()[0].to_lowercase();
    let default = arg.get_default_values().first();
    let default = match default.map_or("", |default| default.to_str().unwrap()) {
        "" => "–".into(),
        default => format!("`{default}`"),
    };
    let help = arg.get_help().expect("every setting is documented");
    format!("| `{variable}` | `--{option}` | {unit} | {default} | {service} | {help} |")
}

#[test]
fn every_setting_is_in_the_settings_table() {
    let table = settings_table();
    let readme = read("README.md");
    let start = "<!-- settings -->";
    let end = "<!-- /settings -->";
    let current = between(&readme, start, end);
    if env::var_os("UPDATE_README").is_some() {
        let old = format!("{start}{current}{end}");
        let new = format!("{start}{table}{end}");
        fs::write(root().join("README.md"), readme.replace(&old, &new)).unwrap();
    } else {
        assert_eq!(current, table, "run UPDATE_README=1 scripts/test -E 'test(settings_table)'");
    }
}

#[test]
fn every_fault_in_the_table_has_the_tests_it_names() {
    let page = read("docs/failure-modes.md");
    let table = between(&page, "## Faults", "## Was that");
    let mut count = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}");
        for name in names {
            let exists = |folder: &str| root().join(format!("{folder}/{name}.rs")).exists();
            let folders =
                ["auth-service/tests/suite", "resource-service/tests", "system-tests/tests"];
            assert!(folders.into_iter().any(exists), "no tests {name}: {row}");
            count += 1;
        }
    }
    assert!(count > 20);
}

#[test]
fn the_error_for_a_port_in_use_names_the_address_and_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let folder = temp_dir();
    for variable in ["AUTH_ADDR", "RESOURCE_ADDR"] {
        let output = Command::new(env!("CARGO_BIN_EXE_local-stack"))
            .env_clear()
            .envs([("AUTH_ADDR", "127.0.0.1:0"), ("RESOURCE_ADDR", "127.0.0.1:0")])
            .env(variable, &addr)
            .env("DATA_DIR", folder.path())
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let line = errors.lines().find(|line| line.starts_with("error:")).unwrap();
        assert!(line.contains(&addr) && line.contains(variable), "{line}");
    }
}
