//! Kubernetes' own program, for what it does without a cluster.

use std::{path::Path, process::Command};

use crate::setting;

/// The manifests that the kustomization in this folder makes, as YAML.
///
/// # Panics
/// If it makes none.
pub fn kustomized(folder: &Path) -> String {
    let output = Command::new(setting("TEST_KUBECTL"))
        .arg("kustomize")
        .arg(folder)
        .env_clear()
        .output()
        .expect("kubectl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
