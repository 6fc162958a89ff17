//! Containers have few privileges, and deployments can be scaled and drained.

use serde_json::{Value, json};

use super::manifests::{containers, includes, name, of_kind, pod};

#[test]
fn no_container_has_more_privileges_than_it_needs() {
    let pod_context = json!({
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let container_context = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    for deployment in of_kind("Deployment") {
        let pod = pod(deployment);
        assert_eq!(pod["automountServiceAccountToken"], false);
        let context = &pod["securityContext"];
        assert!(includes(context, &pod_context), "{context}");
        for container in containers(deployment) {
            let name = &container["name"];
            assert_eq!(container["securityContext"], container_context, "{name}");
            for amount in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
                assert!(container["resources"].pointer(amount).is_some(), "{name}: {amount}");
            }
        }
    }
}

#[test]
fn every_deployment_has_an_autoscaler_and_a_disruption_budget() {
    for deployment in of_kind("Deployment") {
        // A fixed number of replicas would undo what the autoscaler has decided.
        assert!(deployment["spec"]["replicas"].is_null());
        let replicas = min_replicas(deployment);
        // The autoscaler computes the share of this amount that the pods use.
        let has_cpu = |it: &Value| it["resources"]["requests"]["cpu"].is_string();
        assert!(containers(deployment).all(has_cpu));

        let selector = &deployment["spec"]["selector"];
        let budgets = of_kind("PodDisruptionBudget");
        let budget = budgets.iter().find(|it| &it["spec"]["selector"] == selector).unwrap();
        let evictable = match budget["spec"]["minAvailable"].as_u64() {
            Some(available) => replicas.saturating_sub(available),
            None => budget["spec"]["maxUnavailable"].as_u64().unwrap(),
        };
        assert!((1..replicas).contains(&evictable), "{budget}");
    }
    for kind in ["HorizontalPodAutoscaler", "PodDisruptionBudget"] {
        assert_eq!(of_kind(kind).len(), of_kind("Deployment").len(), "{kind}");
    }
}

/// Returns the minimum number of replicas that a deployment's autoscaler keeps.
fn min_replicas(deployment: &Value) -> u64 {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name(deployment)});
    let scalers = of_kind("HorizontalPodAutoscaler");
    let scaler = scalers.iter().find(|it| it["spec"]["scaleTargetRef"] == target).unwrap();
    let min = scaler["spec"]["minReplicas"].as_u64().unwrap();
    assert!(min >= 2 && scaler["spec"]["maxReplicas"].as_u64().unwrap() > min);
    min
}
