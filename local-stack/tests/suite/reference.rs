//! The reference is complete: it lists every setting, and every fault names its tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Arg, Args};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the text between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start} is missing"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end} is missing")).0
}

const HEAD: &str = "| variable | option | unit | default | description |\n|---|---|---|---|---|\n";

/// Settings that are not options, because the log starts before the options are read.
const LOG_SETTINGS: &str = "\
| `RUST_LOG` | – | filter | `info,actix_server=warn,actix_http=off` \
| Log lines that are written: a level, or levels by module |
| `LOG_FILTER_FILE` | – | file | – \
| File that contains the filter, instead of RUST_LOG. SIGHUP reads it again |
| `LOG_FORMAT` | – | name | `text` \
| Format of log lines: `text` for people, `json` for machines |
";

#[test]
fn every_setting_is_in_the_settings_table_of_its_service() {
    let path = root().join("docs/reference/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let auth = auth_service::config::Settings::augment_args(clap::Command::new("auth"));
    let resource = resource_service::Settings::augment_args(clap::Command::new("resource"));
    let mut generated = page.clone();
    for (name, rows) in [
        ("auth-service", auth.get_arguments().map(row).collect()),
        ("resource-service", resource.get_arguments().map(row).collect()),
        ("logs", LOG_SETTINGS.to_owned()),
    ] {
        let start = format!("<!-- settings: {name} -->\n");
        let end = "<!-- end of settings -->";
        let current = between(&page, &start, end);
        generated = generated
            .replace(&format!("{start}{current}{end}"), &format!("{start}{HEAD}{rows}{end}"));
    }
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(path, generated).unwrap();
    } else {
        let hint = "run UPDATE_REFERENCE=1 scripts/test -E 'test(settings_table)'";
        assert!(page == generated, "{hint}: the tables should be\n{generated}");
    }
}

fn row(arg: &Arg) -> String {
    let variable = arg.get_env().expect("every setting is an environment variable").display();
    let option = arg.get_long().expect("every setting is an option");
    let unit = match arg.get_value_names().expect("every setting has a unit")[0].as_str() {
        "URL" => "URL".to_owned(),
        "IP:PORT" => "IP:port".to_owned(),
        "NAMES" => "names".to_owned(),
        // A bar would end the cell.
        other => other.to_lowercase().replace('|', "\\|"),
    };
    let default = default(arg);
    let description = arg.get_help().expect("every setting is documented");
    format!("| `{variable}` | `--{option}` | {unit} | {default} | {description} |\n")
}

/// Returns the default as the table shows it. A long time is shown in larger units as well.
fn default(arg: &Arg) -> String {
    let default = arg.get_default_values().first().and_then(|default| default.to_str());
    let Some(default) = default.filter(|default| !default.is_empty()) else { return "–".into() };
    let is_seconds = arg.get_value_names().is_some_and(|names| names[0].as_str() == "SECONDS");
    let seconds = default.parse::<u32>().ok().filter(|_| is_seconds).unwrap_or_default();
    let larger = [(86400, "d"), (3600, "h"), (60, "min")];
    let fits = |&(unit, _): &(u32, &str)| seconds > unit && seconds.is_multiple_of(unit);
    match larger.into_iter().find(fits) {
        Some((unit, name)) => format!("`{default}` ({} {name})", seconds / unit),
        None => format!("`{default}`"),
    }
}

#[test]
fn every_fault_in_the_table_has_the_tests_it_names() {
    let page = fs::read_to_string(root().join("docs/failure-modes.md")).unwrap();
    let table = between(&page, "## Faults", "## Was that");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            let folders = [
                "auth-service/tests/suite",
                "resource-service/tests/suite",
                "service-kit/tests",
                "shared/tests/suite",
                "system-tests/tests/suite",
            ];
            let exists = |folder| root().join(folder).join(format!("{name}.rs")).exists();
            assert!(folders.into_iter().any(exists), "no tests {name}: {row}");
            count += 1;
        }
    }
    assert!(count > 20);
}
