//! The README is true: its walk-through works when it is pasted, and its table has every setting.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use clap::Args;
use test_support::{Process, temp_dir};

fn readme() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// What stands between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn the_walk_through_works_when_it_is_pasted() {
    let folder = temp_dir();
    let data = folder.path().join("data");
    let process = Process::start(
        env!("CARGO_BIN_EXE_local-stack"),
        2,
        &[("DATA_DIR", data.to_str().unwrap())],
    );
    let (auth, resource) = (process.addr(0).to_string(), process.addr(1).to_string());
    let (_, readme) = readme();
    let lines = between(&readme, "## Walk-through", "\n```\n")
        .split_once("```sh\n")
        .unwrap()
        .1
        .replace("127.0.0.1:8080", &auth)
        .replace("127.0.0.1:8081", &resource);

    let mut shell = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let (shown, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(errors, "", "{shown}");
    let seen = [
        "\"username\":\"ada\"}",
        "\"tokens\":{\"access\"",
        "HTTP/1.1 401",
        "HTTP/1.1 200",
        "\"sub\":",
        "{\"access\"",
        "HTTP/1.1 204",
        "HTTP/1.1 401",
        "\"code\":\"token_not_valid\"",
    ];
    let mut rest = shown.as_str();
    for expected in seen {
        rest = rest
            .split_once(expected)
            .unwrap_or_else(|| panic!("{expected} is missing in\n{shown}"))
            .1;
    }

    // The program prints the very same lines, between which its log may come.
    for line in lines.trim().lines() {
        process.log_with(line);
    }
}

#[test]
fn every_setting_is_in_the_settings_table() {
    let mut rows = vec![
        "| variable | option | unit | default | service | what it is |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let auth = auth_service::config::Settings::augment_args(clap::Command::new("auth"));
    let resource = resource_service::Settings::augment_args(clap::Command::new("resource"));
    for (service, command) in [("auth", auth), ("resource", resource)] {
        for arg in command.get_arguments() {
            let variable =
                arg.get_env().expect("every setting is an environment variable").to_str().unwrap();
            let unit = arg.get_value_names().unwrap()[0].to_lowercase();
            let default =
                arg.get_default_values().first().map_or("", |default| default.to_str().unwrap());
            let default = if default.is_empty() { "–".into() } else { format!("`{default}`") };
            let help = arg.get_help().expect("every setting is documented");
            rows.push(format!(
                "| `{variable}` | `--{}` | {unit} | {default} | {service} | {help} |",
                arg.get_long().unwrap()
            ));
        }
    }
    rows.push("| `RUST_LOG` | – | filter | `info,actix_server=warn,actix_http=off` | both | Which log lines are written: a level, or levels by module |".into());
    rows.push(
        "| `LOG_FILTER_FILE` | – | file | – | both | A file with that instead, read again at SIGHUP |".into(),
    );
    rows.push("| `LOG_FORMAT` | – | name | `text` | both | How log lines are written: `text` for people, `json` for machines |".into());
    let table = format!("\n{}\n", rows.join("\n"));

    let (path, readme) = readme();
    let (start, end) = ("<!-- settings -->", "<!-- /settings -->");
    let current = between(&readme, start, end);
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(
            path,
            readme.replace(&format!("{start}{current}{end}"), &format!("{start}{table}{end}")),
        )
        .unwrap();
    } else {
        assert_eq!(current, table, "run UPDATE_README=1 scripts/test -E 'test(settings_table)'");
    }
}

#[test]
fn every_fault_in_the_table_has_the_tests_it_names() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/failure-modes.md")).unwrap();
    let rows = between(&page, "## Faults", "## Was that")
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1);
    let mut count = 0;
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            let packages = ["auth-service", "resource-service", "system-tests"];
            let is_there = |package| root.join(package).join(format!("tests/{name}.rs")).exists();
            assert!(packages.into_iter().any(is_there), "no tests {name}: {row}");
            count += 1;
        }
    }
    assert!(count > 20);
}

#[test]
fn a_port_in_use_is_named() {
    let (taken, folder) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), temp_dir());
    let addr = taken.local_addr().unwrap().to_string();
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
