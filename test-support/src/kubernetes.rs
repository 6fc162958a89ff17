//! `kubectl`, for the commands that need no cluster.

use std::{path::Path, process::Command};

use crate::setting;

/// Returns the manifests that the kustomization in a folder builds, as YAML.
///
/// # Panics
/// If the kustomization is not valid.
pub fn kustomize(folder: &Path) -> String {
    let output = Command::new(setting("TEST_KUBECTL"))
        .arg("kustomize")
        .arg(folder)
        .env_clear()
        .output()
        .expect("kubectl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
