//! The bill of materials in each image is valid, and names all crates and C libraries.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use test_support::run_python;

/// The programs, with the features of the images.
const PROGRAMS: [(&str, &[&str]); 2] =
    [("auth-service", &["--features", "postgres-tls"]), ("resource-service", &[])];

/// Crates that declare a native library, and the name of the library that they compile in.
const LIBRARIES: [(&str, &str); 4] = [
    ("aws-lc-sys", "aws-lc"),
    ("libsqlite3-sys", "sqlite"),
    ("openssl-sys", "openssl"),
    ("pq-src", "postgresql"),
];

/// Crates that declare a native library, and use one of the libraries above.
const NO_LIBRARY: [&str; 2] = ["aws-lc-rs", "pq-sys"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(args).current_dir(root()).env("STATIC_LIBC", "1").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn cargo(args: &[&str]) -> String {
    run(env!("CARGO"), args)
}

/// A bill of materials.
struct Sbom {
    text: String,
    json: Value,
}

impl Sbom {
    fn of(program: &str, features: &[&str]) -> Self {
        let text = run("scripts/sbom", &[&[program], features].concat());
        let json = serde_json::from_str(&text).unwrap();
        Self { text, json }
    }

    /// Returns the program.
    fn root(&self) -> &Value {
        &self.json["metadata"]["component"]
    }

    /// Returns all components, including the program.
    fn components(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(self.root()).chain(self.json["components"].as_array().unwrap())
    }

    /// Returns the components that are crates.
    fn crates(&self) -> impl Iterator<Item = &Value> {
        self.components().filter(|component| is_crate(component))
    }

    /// Returns the components that are C libraries, or Rust's standard library.
    fn libraries(&self) -> impl Iterator<Item = &Value> {
        self.components().filter(|component| !is_crate(component))
    }

    /// Returns the program and its direct and indirect dependencies.
    fn reachable(&self) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![text(self.root(), "bom-ref")];
        let dependencies = self.json["dependencies"].as_array().unwrap();
        while let Some(component) = next.pop() {
            if reached.insert(component) {
                let entry = dependencies.iter().find(|entry| entry["ref"] == component);
                let depends_on = entry.expect(component)["dependsOn"].as_array().unwrap();
                next.extend(depends_on.iter().map(|component| component.as_str().unwrap()));
            }
        }
        reached
    }
}

fn text<'a>(component: &'a Value, member: &str) -> &'a str {
    component[member].as_str().unwrap_or_default()
}

fn name_and_version(component: &Value) -> (String, String) {
    (text(component, "name").to_owned(), text(component, "version").to_owned())
}

/// Returns whether a component is a crate: a crate of crates.io, or one of this workspace, which
/// has no package URL.
fn is_crate(component: &Value) -> bool {
    component["purl"].is_null() || text(component, "purl").starts_with("pkg:cargo/")
}

/// Returns the names and versions of a program's crates, including the program, from cargo.
fn crates(program: &str, features: &[&str]) -> BTreeSet<(String, String)> {
    let args = ["tree", "--locked", "-e", "normal", "--prefix", "none", "-p", program];
    let tree = cargo(&[&args, features].concat());
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_owned();
        (name, words.next().unwrap().trim_start_matches('v').to_owned())
    };
    tree.lines().map(parse).collect()
}

#[test]
fn bill_of_materials_is_valid_and_reproducible() {
    for (program, features) in PROGRAMS {
        let sbom = Sbom::of(program, features);
        let validator = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/support/sbom.py");
        assert_eq!(run_python(validator, &[], &sbom.text), Value::Null, "{program}");
        assert_eq!(Sbom::of(program, features).text, sbom.text);
    }
}

#[test]
fn bill_of_materials_names_all_crates_with_licences_and_hashes() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for (program, features) in PROGRAMS {
        let sbom = Sbom::of(program, features);
        assert_eq!(text(sbom.root(), "name"), program);
        let named: BTreeSet<_> = sbom.crates().map(name_and_version).collect();
        assert_eq!(named, crates(program, features));
        for component in sbom.crates() {
            let licence = component["licenses"][0]["expression"].as_str().unwrap();
            assert!(!licence.is_empty() && !licence.contains('/'), "{component}");
            if component["purl"].is_null() {
                continue;
            }
            let (name, version) = name_and_version(component);
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            let mut entries = lock.split("[[package]]\n");
            let entry = entries.find(|text| text.starts_with(&entry)).unwrap();
            let hash = component["hashes"][0]["content"].as_str().unwrap();
            assert!(entry.contains(&format!("checksum = \"{hash}\"")), "{component}");
        }
    }
}

#[test]
fn bill_of_materials_names_all_compiled_in_libraries() {
    let args = ["metadata", "--locked", "--all-features", "--format-version", "1"];
    let metadata: Value = serde_json::from_str(&cargo(&args)).unwrap();
    for (program, features) in PROGRAMS {
        let crates = crates(program, features);
        let mut expected: BTreeSet<&str> = ["glibc", "rust-std"].into();
        for package in metadata["packages"].as_array().unwrap() {
            let name = text(package, "name");
            let is_used = crates.contains(&name_and_version(package));
            if package["links"].is_null() || !is_used || NO_LIBRARY.contains(&name) {
                continue;
            }
            let library = LIBRARIES.iter().find(|(from, _)| *from == name);
            let library = library.unwrap_or_else(|| panic!("which library is in {name}?"));
            expected.insert(library.1);
        }
        let sbom = Sbom::of(program, features);
        let named: BTreeSet<_> = sbom.libraries().map(|it| text(it, "name")).collect();
        assert_eq!(named, expected, "{program}");
        for library in sbom.libraries() {
            let version = text(library, "version");
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{library}");
            assert!(library["licenses"][0]["expression"].is_string(), "{library}");
        }
    }
}

#[test]
fn every_component_is_a_dependency_of_the_program() {
    for (program, features) in PROGRAMS {
        let sbom = Sbom::of(program, features);
        let all: BTreeSet<&str> = sbom.components().map(|it| text(it, "bom-ref")).collect();
        assert_eq!(sbom.reachable(), all);
    }
}
