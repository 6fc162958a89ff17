//! The bill of materials that lies in each image is true: valid, and it names what cargo does, and the C libraries.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use test_support::python_reads;

/// As the images have them.
const PROGRAMS: [(&str, &[&str]); 2] =
    [("auth-service", &["--features", "postgres-tls"]), ("resource-service", &[])];

/// Crates that claim a native library, and the name of what they compile in.
const LIBRARIES: [(&str, &str); 4] = [
    ("aws-lc-sys", "aws-lc"),
    ("libsqlite3-sys", "sqlite"),
    ("openssl-sys", "openssl"),
    ("pq-src", "postgresql"),
];

/// Crates that claim one and compile in none: they use what the ones above do.
const NO_LIBRARY: [&str; 2] = ["aws-lc-rs", "pq-sys"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .env("STATIC_LIBC", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn sbom(program: &str, features: &[&str]) -> (String, Value) {
    let text = run("scripts/sbom", &[&[program], features].concat());
    let parsed = serde_json::from_str(&text).unwrap();
    (text, parsed)
}

fn cargo(args: &[&str]) -> String {
    run(env!("CARGO"), args)
}

/// Names and versions of the crates that cargo says a program has, itself included.
fn crates(program: &str, features: &[&str]) -> BTreeSet<(String, String)> {
    let args = ["tree", "--locked", "-e", "normal", "--prefix", "none", "-p", program];
    let tree = cargo(&[&args, features].concat());
    let words = tree.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words.map(|words| (words[0].to_owned(), words[1].trim_start_matches('v').to_owned())).collect()
}

fn text<'a>(component: &'a Value, member: &str) -> &'a str {
    component[member].as_str().unwrap_or_default()
}

/// The components that are crates: with a package URL of crates.io, or ours, with none.
fn is_crate(component: &Value) -> bool {
    component["purl"].is_null() || text(component, "purl").starts_with("pkg:cargo/")
}

fn components(sbom: &Value) -> impl Iterator<Item = &Value> {
    std::iter::once(&sbom["metadata"]["component"]).chain(sbom["components"].as_array().unwrap())
}

#[test]
fn it_is_valid_and_the_same_each_time() {
    for (program, features) in PROGRAMS {
        let (sbom, _) = sbom(program, features);
        let validator = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/sbom.py");
        assert_eq!(python_reads(validator, &[], &sbom), Value::Null, "{program}");
        assert_eq!(self::sbom(program, features).0, sbom);
    }
}

#[test]
fn it_names_the_crates_that_cargo_does_with_licences_and_hashes() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for (program, features) in PROGRAMS {
        let (_, sbom) = sbom(program, features);
        assert_eq!(text(&sbom["metadata"]["component"], "name"), program);
        let named: Vec<_> = components(&sbom).filter(|it| is_crate(it)).collect();
        let names =
            named.iter().map(|it| (text(it, "name").to_owned(), text(it, "version").to_owned()));
        assert_eq!(names.collect::<BTreeSet<_>>(), crates(program, features));
        for component in named {
            let licence = component["licenses"][0]["expression"].as_str().unwrap();
            assert!(!licence.is_empty() && !licence.contains('/'), "{component}");
            if component["purl"].is_null() {
                continue;
            }
            let (name, version) = (text(component, "name"), text(component, "version"));
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            let entry = lock.split("[[package]]\n").find(|it| it.starts_with(&entry)).unwrap();
            let hash = component["hashes"][0]["content"].as_str().unwrap();
            assert!(entry.contains(&format!("checksum = \"{hash}\"")), "{component}");
        }
    }
}

#[test]
fn it_names_the_libraries_that_are_compiled_in() {
    let metadata: Value = serde_json::from_str(&cargo(&[
        "metadata",
        "--locked",
        "--all-features",
        "--format-version",
        "1",
    ]))
    .unwrap();
    for (program, features) in PROGRAMS {
        let (_, sbom) = sbom(program, features);
        let of_program = crates(program, features);
        let mut expected: BTreeSet<&str> = ["glibc", "rust-std"].into();
        for package in metadata["packages"].as_array().unwrap() {
            let name = text(package, "name");
            let is_there = of_program.contains(&(name.into(), text(package, "version").into()));
            if package["links"].is_null() || !is_there || NO_LIBRARY.contains(&name) {
                continue;
            }
            let library = LIBRARIES.iter().find(|(from, _)| *from == name);
            expected.insert(library.unwrap_or_else(|| panic!("what does {name} compile in?")).1);
        }
        let libraries = || components(&sbom).filter(|it| !is_crate(it));
        assert_eq!(
            libraries().map(|it| text(it, "name")).collect::<BTreeSet<_>>(),
            expected,
            "{program}"
        );
        for library in libraries() {
            assert!(
                text(library, "version").starts_with(|first: char| first.is_ascii_digit()),
                "{library}"
            );
            assert!(library["licenses"][0]["expression"].is_string(), "{library}");
        }
    }
}

#[test]
fn every_dependency_leads_from_one_component_to_another_and_all_are_reached() {
    for (program, features) in PROGRAMS {
        let (_, sbom) = sbom(program, features);
        let all: BTreeSet<&str> = components(&sbom).map(|it| text(it, "bom-ref")).collect();
        let (mut reached, mut next) =
            (BTreeSet::new(), vec![text(&sbom["metadata"]["component"], "bom-ref")]);
        while let Some(at) = next.pop() {
            if reached.insert(at) {
                let entry = sbom["dependencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|it| it["ref"] == at)
                    .unwrap();
                next.extend(
                    entry["dependsOn"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()),
                );
            }
        }
        assert_eq!(reached, all);
    }
}
