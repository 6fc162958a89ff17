//! The manifests for Kubernetes are true: valid, and what they name is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use clap::Args;
use serde_json::{Value, json};
use test_support::{kustomized, python_reads};

/// The oldest that they are for, and the newest whose schemas we have.
const RELEASES: [&str; 2] = ["1.27", "1.37"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

static VALIDATED: LazyLock<Value> = LazyLock::new(|| {
    let manifests = kustomized(&here("../deploy/kubernetes"));
    python_reads(here("tests/support/manifests.py"), &RELEASES, &manifests)
});

fn of_kind(kind: &str) -> Vec<&'static Value> {
    let all = VALIDATED["manifests"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|manifest| manifest["kind"] == kind).collect();
    assert!(!found.is_empty(), "there is no {kind}");
    found
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn name(manifest: &Value) -> &str {
    text(&manifest["metadata"]["name"])
}

fn pod(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]
}

fn containers(deployment: &Value) -> impl Iterator<Item = &Value> {
    list(&pod(deployment)["initContainers"]).chain(list(&pod(deployment)["containers"]))
}

/// Whether an object has all that another one has.
fn includes(whole: &Value, part: &Value) -> bool {
    part.as_object().unwrap().iter().all(|(key, value)| whole.get(key) == Some(value))
}

/// The deployments whose pods these labels select.
fn selected(labels: &Value) -> Vec<&'static Value> {
    let of_pod = |deployment: &Value| deployment["spec"]["template"]["metadata"]["labels"].clone();
    of_kind("Deployment").into_iter().filter(|it| includes(&of_pod(it), labels)).collect()
}

/// The ports that pods of this deployment listen on, by name.
fn ports(deployment: &Value) -> BTreeMap<&str, u64> {
    let ports = list(&pod(deployment)["containers"]).flat_map(|it| list(&it["ports"]));
    ports.map(|port| (text(&port["name"]), port["containerPort"].as_u64().unwrap())).collect()
}

/// What the ConfigMap of a container sets.
fn settings(container: &Value) -> &serde_json::Map<String, Value> {
    let map = text(&container["envFrom"][0]["configMapRef"]["name"]);
    let map = of_kind("ConfigMap").into_iter().find(|it| name(it) == map);
    map.unwrap_or_else(|| panic!("there is no ConfigMap for {}", container["name"]))["data"]
        .as_object()
        .unwrap()
}

#[test]
fn kubernetes_accepts_them() {
    assert_eq!(VALIDATED["faults"], json!([]));
}

#[test]
fn every_selector_selects_pods_and_every_port_is_one_of_theirs() {
    for service in of_kind("Service") {
        let deployments = selected(&service["spec"]["selector"]);
        assert_eq!(deployments.len(), 1, "{service}");
        for port in list(&service["spec"]["ports"]) {
            assert!(ports(deployments[0]).contains_key(text(&port["targetPort"])), "{port}");
        }
    }
    for deployment in of_kind("Deployment") {
        let own = |labels: &Value| {
            let names: Vec<_> = selected(labels).into_iter().map(name).collect();
            assert_eq!(names, [name(deployment)], "{labels}");
        };
        own(&deployment["spec"]["selector"]["matchLabels"]);
        for constraint in list(&pod(deployment)["topologySpreadConstraints"]) {
            own(&constraint["labelSelector"]["matchLabels"]);
        }
        for container in list(&pod(deployment)["containers"]) {
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                let get = &container[probe]["httpGet"];
                assert!(["/healthz", "/readyz"].contains(&text(&get["path"])), "{probe}: {get}");
                assert!(ports(deployment).contains_key(text(&get["port"])), "{probe}: {get}");
            }
        }
    }
    for policy in of_kind("NetworkPolicy") {
        // Who is let in or out within this namespace, and through which port. Of other namespaces we know nothing.
        let whose = |selector: &Value| match selector["matchLabels"].is_null() {
            true => of_kind("Deployment"),
            false => selected(&selector["matchLabels"]),
        };
        let own = whose(&policy["spec"]["podSelector"]);
        assert!(!own.is_empty(), "{policy}");
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for rule in list(&policy["spec"][direction]) {
                let ours = |peer: &&Value| {
                    peer["namespaceSelector"].is_null() && peer["ipBlock"].is_null()
                };
                let others: Vec<_> = list(&rule[peers])
                    .filter(ours)
                    .map(|peer| whose(&peer["podSelector"]))
                    .collect();
                assert!(others.iter().all(|found| !found.is_empty()), "{rule}");
                let behind: Vec<_> = match direction {
                    "ingress" => own.clone(),
                    _ => others.concat(),
                };
                for port in list(&rule["ports"]).filter_map(|port| port["port"].as_str()) {
                    assert!(!behind.is_empty(), "whose port is it? {rule}");
                    assert!(behind.iter().all(|it| ports(it).contains_key(port)), "{rule}");
                }
            }
        }
    }
}

#[test]
fn nobody_is_let_in_or_out_unless_a_policy_says_so() {
    let nobody = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    assert!(of_kind("NetworkPolicy").iter().any(|policy| policy["spec"] == nobody));
}

#[test]
fn every_setting_is_one_and_its_value_is_understood() {
    let auth = auth_service::config::Settings::augment_args(clap::Command::new("auth-service"));
    let resource = resource_service::Settings::augment_args(clap::Command::new("resource-service"));
    for (service, command) in [("auth-service", auth), ("resource-service", resource)] {
        let deployment = of_kind("Deployment").into_iter().find(|it| name(it) == service).unwrap();
        for container in containers(deployment) {
            assert!(container["env"].is_null(), "settings belong into the ConfigMap");
            let mut line = vec![service.to_owned()];
            for (variable, value) in settings(container) {
                if ["RUST_LOG", "LOG_FORMAT"].contains(&variable.as_str()) {
                    continue;
                }
                let arg = command
                    .get_arguments()
                    .find(|arg| arg.get_env().is_some_and(|it| it == variable.as_str()));
                let arg = arg.unwrap_or_else(|| panic!("{service} has no setting {variable}"));
                // A file is read as soon as it is named, and is there in the cluster alone.
                if !variable.ends_with("_FILE") && variable != "REVOCATIONS_CLIENT_ID" {
                    line.push(format!("--{}={}", arg.get_long().unwrap(), text(value)));
                }
            }
            if let Err(why) = command.clone().try_get_matches_from(&line) {
                panic!("{why}");
            }
        }
    }
}

#[test]
fn what_the_settings_say_of_ports_files_and_time_is_what_the_pods_have() {
    for deployment in of_kind("Deployment") {
        let pod = pod(deployment);
        for container in containers(deployment) {
            let settings = settings(container);
            let mounted: Vec<_> =
                list(&container["volumeMounts"]).map(|it| text(&it["mountPath"])).collect();
            for (variable, file) in
                settings.iter().filter(|(variable, _)| variable.ends_with("_FILE"))
            {
                let folder = Path::new(text(file)).parent().unwrap().to_str().unwrap();
                assert!(mounted.contains(&folder), "{variable} is not mounted");
            }
            let seconds = |variable: &str| text(&settings[variable]).parse::<u64>().unwrap();
            let needed = seconds("SHUTDOWN_DELAY") + seconds("SHUTDOWN_TIMEOUT");
            assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > needed);
            let listens: BTreeSet<u64> = settings
                .iter()
                .filter(|(variable, _)| variable.ends_with("_ADDR"))
                .map(|(_, addr)| text(addr).rsplit_once(':').unwrap().1.parse().unwrap())
                .collect();
            assert_eq!(listens, ports(deployment).into_values().collect());
        }
    }
}

#[test]
fn every_secret_is_mounted_whole_and_the_readme_says_how_it_is_made() {
    let readme = fs::read_to_string(here("../deploy/kubernetes/README.md")).unwrap();
    let mut documented: BTreeSet<(String, String)> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"))
        .map(|(secret, rest)| (secret.into(), rest.split_once('`').unwrap().0.into()))
        .collect();
    for deployment in of_kind("Deployment") {
        let mut unused: BTreeSet<&str> = BTreeSet::new();
        for volume in list(&pod(deployment)["volumes"]) {
            let secret = &volume["secret"];
            let name = text(&secret["secretName"]);
            assert!(
                readme.contains(&format!("create secret generic {name} ")),
                "{name}: how is it made?"
            );
            for item in list(&secret["items"]) {
                let key = (name.to_owned(), text(&item["key"]).to_owned());
                assert!(documented.remove(&key), "{key:?} is not in the README");
            }
            unused.insert(text(&volume["name"]));
        }
        for mount in containers(deployment).flat_map(|container| list(&container["volumeMounts"])) {
            assert_eq!(mount["readOnly"], true, "{mount}");
            unused.remove(text(&mount["name"]));
        }
        assert!(unused.is_empty(), "{unused:?}");
    }
    assert!(documented.is_empty(), "used by nobody: {documented:?}");
    assert!(
        !VALIDATED.to_string().contains("\"kind\":\"Secret\""),
        "a secret has no place in a file"
    );
}

#[test]
fn no_container_may_do_more_than_it_needs() {
    let hardened = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    for deployment in of_kind("Deployment") {
        let pod = pod(deployment);
        assert_eq!(pod["automountServiceAccountToken"], false);
        let context = &pod["securityContext"];
        assert!(
            includes(
                context,
                &json!({"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}})
            ),
            "{context}"
        );
        for container in containers(deployment) {
            assert_eq!(container["securityContext"], hardened, "{}", container["name"]);
            for amount in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
                assert!(
                    container["resources"].pointer(amount).is_some(),
                    "{}: {amount}",
                    container["name"]
                );
            }
        }
    }
}

#[test]
fn each_deployment_is_scaled_and_a_node_can_be_drained() {
    for deployment in of_kind("Deployment") {
        assert!(deployment["spec"]["replicas"].is_null(), "it would undo what the autoscaler did");
        let target =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name(deployment)});
        let scaler = of_kind("HorizontalPodAutoscaler");
        let scaler = scaler.iter().find(|it| it["spec"]["scaleTargetRef"] == target).unwrap();
        let replicas = scaler["spec"]["minReplicas"].as_u64().unwrap();
        assert!(replicas >= 2 && scaler["spec"]["maxReplicas"].as_u64().unwrap() > replicas);
        // That the autoscaler knows what a share of the CPU is.
        assert!(containers(deployment).all(|it| it["resources"]["requests"]["cpu"].is_string()));

        let labels = &deployment["spec"]["selector"];
        let budget = of_kind("PodDisruptionBudget");
        let budget = budget.iter().find(|it| &it["spec"]["selector"] == labels).unwrap();
        let may_go = match budget["spec"]["minAvailable"].as_u64() {
            Some(must_stay) => replicas.saturating_sub(must_stay),
            None => budget["spec"]["maxUnavailable"].as_u64().unwrap(),
        };
        assert!((1..replicas).contains(&may_go), "{budget}");
    }
    for kind in ["HorizontalPodAutoscaler", "PodDisruptionBudget"] {
        assert_eq!(of_kind(kind).len(), of_kind("Deployment").len(), "{kind}");
    }
}
