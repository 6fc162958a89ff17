//! The manifests, and access to their parts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde_json::{Map, Value};
use test_support::{kustomize, run_python};

/// The oldest supported release of Kubernetes, and the newest whose schemas are available.
const RELEASES: [&str; 2] = ["1.27", "1.37"];

/// The faults that the schemas find, and the manifests.
pub static VALIDATED: LazyLock<Value> = LazyLock::new(|| {
    let manifests = kustomize(&in_package("../deploy/kubernetes"));
    run_python(in_package("tests/suite/support/manifests.py"), &RELEASES, &manifests)
});

/// Returns a path relative to this package.
pub fn in_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the manifests of a kind.
///
/// # Panics
/// If no manifest has this kind.
pub fn of_kind(kind: &str) -> Vec<&'static Value> {
    let all = VALIDATED["manifests"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|manifest| manifest["kind"] == kind).collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

/// Returns the elements of a list, which may be absent.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns a text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// Returns the name of a manifest.
pub fn name(manifest: &Value) -> &str {
    text(&manifest["metadata"]["name"])
}

/// Returns the pod template of a deployment.
pub fn pod(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]
}

/// Returns all containers of a deployment.
pub fn containers(deployment: &Value) -> impl Iterator<Item = &Value> {
    list(&pod(deployment)["initContainers"]).chain(list(&pod(deployment)["containers"]))
}

/// Returns whether an object has all members of another object.
pub fn includes(whole: &Value, part: &Value) -> bool {
    part.as_object().unwrap().iter().all(|(key, value)| whole.get(key) == Some(value))
}

/// Returns the deployments whose pods have these labels.
pub fn selected(labels: &Value) -> Vec<&'static Value> {
    let has_labels = |deployment: &&Value| {
        includes(&deployment["spec"]["template"]["metadata"]["labels"], labels)
    };
    of_kind("Deployment").into_iter().filter(has_labels).collect()
}

/// Returns the ports that a deployment's pods listen on, by name.
pub fn ports(deployment: &Value) -> BTreeMap<&str, u64> {
    let ports =
        list(&pod(deployment)["containers"]).flat_map(|container| list(&container["ports"]));
    ports.map(|port| (text(&port["name"]), port["containerPort"].as_u64().unwrap())).collect()
}

/// Returns the settings of a container, which are in a ConfigMap.
pub fn settings(container: &Value) -> &'static Map<String, Value> {
    let name_of_map = text(&container["envFrom"][0]["configMapRef"]["name"]);
    let map = of_kind("ConfigMap").into_iter().find(|map| name(map) == name_of_map);
    let map = map.unwrap_or_else(|| panic!("no ConfigMap {name_of_map}"));
    map["data"].as_object().unwrap()
}
