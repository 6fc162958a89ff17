//! The manifests for Kubernetes are valid, and everything that they name exists.
//!
//! The library kubernetes-validate checks the manifests against the schemas of Kubernetes. The
//! tests check what no schema knows: our settings, ports, files and documentation.

mod manifests;
mod network;
mod pods;
mod secrets;
mod settings;

use serde_json::json;

use self::manifests::VALIDATED;

#[test]
fn the_manifests_fit_the_schemas_of_kubernetes() {
    assert_eq!(VALIDATED["faults"], json!([]));
}
