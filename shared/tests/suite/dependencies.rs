//! The dependencies of `shared`: a service that imports the verifier must not get a command line,
//! OpenAPI or telemetry with it.
#![cfg(all(feature = "actix", feature = "axum"))]

use std::process::Command;

const FORBIDDEN: [&str; 6] =
    ["clap", "env_logger", "opentelemetry", "prometheus-client", "service-kit", "utoipa"];

#[test]
fn the_verifier_has_no_dependency_of_services() {
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--package", "shared", "--all-features", "--edges", "normal"])
        .args(["--prefix", "none", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let tree = String::from_utf8(cargo.stdout).unwrap();
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    for required in ["shared", "reqwest", "aws-lc-rs"] {
        assert!(names.contains(&required), "{required} is missing: the tree is not that of shared");
    }
    let found: Vec<&&str> = FORBIDDEN.iter().filter(|name| names.contains(*name)).collect();
    assert!(found.is_empty(), "shared depends on {found:?}");
}
