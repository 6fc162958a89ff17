//! Services, probes and network policies name pods and ports that exist.

use serde_json::{Value, json};

use super::manifests::{list, name, of_kind, pod, ports, selected, text};

#[test]
fn every_service_selects_one_deployment_and_names_its_ports() {
    for service in of_kind("Service") {
        let deployments = selected(&service["spec"]["selector"]);
        assert_eq!(deployments.len(), 1, "{service}");
        for port in list(&service["spec"]["ports"]) {
            assert!(ports(deployments[0]).contains_key(text(&port["targetPort"])), "{port}");
        }
    }
}

#[test]
fn every_deployment_selects_only_its_own_pods() {
    for deployment in of_kind("Deployment") {
        let constraints = list(&pod(deployment)["topologySpreadConstraints"]);
        let selectors = constraints.map(|constraint| &constraint["labelSelector"]);
        for selector in selectors.chain([&deployment["spec"]["selector"]]) {
            let names: Vec<_> = selected(&selector["matchLabels"]).into_iter().map(name).collect();
            assert_eq!(names, [name(deployment)], "{selector}");
        }
    }
}

#[test]
fn every_probe_asks_for_health_at_a_port_that_exists() {
    for deployment in of_kind("Deployment") {
        for container in list(&pod(deployment)["containers"]) {
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                let get = &container[probe]["httpGet"];
                assert!(["/healthz", "/readyz"].contains(&text(&get["path"])), "{probe}: {get}");
                assert!(ports(deployment).contains_key(text(&get["port"])), "{probe}: {get}");
                // The main listener has no /readyz, because METRICS_ADDR is set.
                let is_readiness = get["path"] == "/readyz";
                assert!(!is_readiness || get["port"] == "metrics", "{probe}: {get}");
            }
        }
    }
}

#[test]
fn every_network_policy_names_pods_and_ports_that_exist() {
    for policy in of_kind("NetworkPolicy") {
        let own = deployments_of(&policy["spec"]["podSelector"]);
        assert!(!own.is_empty(), "{policy}");
        for rule in list(&policy["spec"]["ingress"]) {
            peers_in_namespace(rule, "from");
            assert_ports_exist(rule, &own);
        }
        for rule in list(&policy["spec"]["egress"]) {
            assert_ports_exist(rule, &peers_in_namespace(rule, "to"));
        }
    }
}

#[test]
fn network_policies_deny_what_they_do_not_allow() {
    let deny_all = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    assert!(of_kind("NetworkPolicy").iter().any(|policy| policy["spec"] == deny_all));
}

/// Returns the deployments that a pod selector selects. An empty selector selects all.
fn deployments_of(selector: &Value) -> Vec<&'static Value> {
    match selector["matchLabels"].is_null() {
        true => of_kind("Deployment"),
        false => selected(&selector["matchLabels"]),
    }
}

/// Returns the deployments in this namespace that a rule names as peers. Asserts that they exist.
fn peers_in_namespace(rule: &Value, direction: &str) -> Vec<&'static Value> {
    let is_in_namespace =
        |peer: &&Value| peer["namespaceSelector"].is_null() && peer["ipBlock"].is_null();
    let peers = list(&rule[direction]).filter(is_in_namespace);
    let peers: Vec<_> = peers.map(|peer| deployments_of(&peer["podSelector"])).collect();
    assert!(peers.iter().all(|found| !found.is_empty()), "{rule}");
    peers.concat()
}

fn assert_ports_exist(rule: &Value, deployments: &[&Value]) {
    for port in list(&rule["ports"]).filter_map(|port| port["port"].as_str()) {
        assert!(!deployments.is_empty(), "no pod has the port: {rule}");
        assert!(deployments.iter().all(|it| ports(it).contains_key(port)), "{rule}");
    }
}
