//! Secrets are documented, mounted, and in no manifest.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::manifests::{VALIDATED, containers, in_package, list, of_kind, pod, text};

fn readme() -> String {
    fs::read_to_string(in_package("../deploy/kubernetes/README.md")).unwrap()
}

/// Returns the secrets of a deployment's volumes.
fn secrets(deployment: &Value) -> impl Iterator<Item = &Value> {
    list(&pod(deployment)["volumes"]).map(|volume| &volume["secret"])
}

#[test]
fn the_readme_lists_the_keys_of_every_secret_and_how_to_create_it() {
    let readme = readme();
    let row = |line: &str| {
        let (secret, rest) = line.strip_prefix("| `")?.split_once("` | `")?;
        let (key, _) = rest.split_once('`')?;
        Some((secret.to_owned(), key.to_owned()))
    };
    let mut documented: BTreeSet<(String, String)> = readme.lines().filter_map(row).collect();
    for secret in of_kind("Deployment").into_iter().flat_map(secrets) {
        let name = text(&secret["secretName"]);
        let command = format!("create secret generic {name} ");
        assert!(readme.contains(&command), "the README does not create {name}");
        for item in list(&secret["items"]) {
            let key = (name.to_owned(), text(&item["key"]).to_owned());
            assert!(documented.remove(&key), "{key:?} is not in the README");
        }
    }
    assert!(documented.is_empty(), "no deployment uses {documented:?}");
}

#[test]
fn every_volume_is_mounted_read_only() {
    for deployment in of_kind("Deployment") {
        let volumes = list(&pod(deployment)["volumes"]);
        let mut unused: BTreeSet<&str> = volumes.map(|volume| text(&volume["name"])).collect();
        for mount in containers(deployment).flat_map(|container| list(&container["volumeMounts"])) {
            assert_eq!(mount["readOnly"], true, "{mount}");
            unused.remove(text(&mount["name"]));
        }
        assert!(unused.is_empty(), "{unused:?}");
    }
}

#[test]
fn no_manifest_contains_a_secret() {
    assert!(!VALIDATED.to_string().contains("\"kind\":\"Secret\""));
}
