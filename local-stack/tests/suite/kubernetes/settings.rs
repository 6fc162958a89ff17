//! The settings in the ConfigMaps exist, are valid, and fit the pods.

use std::{collections::BTreeSet, ffi::OsStr, path::Path};

use clap::{Arg, Args, Command};

use super::manifests::{containers, list, name, of_kind, pod, ports, settings, text};

/// Variables that configure the log before the settings are parsed.
const LOG_VARIABLES: [&str; 2] = ["RUST_LOG", "LOG_FORMAT"];

#[test]
fn every_setting_exists_and_has_a_valid_value() {
    let auth = auth_service::config::Settings::augment_args(Command::new("auth-service"));
    let resource = resource_service::Settings::augment_args(Command::new("resource-service"));
    for (service, command) in [("auth-service", auth), ("resource-service", resource)] {
        let deployments = of_kind("Deployment");
        let deployment = deployments.into_iter().find(|it| name(it) == service).unwrap();
        for container in containers(deployment) {
            assert!(container["env"].is_null(), "settings belong in the ConfigMap");
            let mut line = vec![service.to_owned()];
            for (variable, value) in settings(container) {
                if LOG_VARIABLES.contains(&variable.as_str()) {
                    continue;
                }
                let variable_name = OsStr::new(variable);
                let is_setting = |arg: &&Arg| arg.get_env() == Some(variable_name);
                let arg = command.get_arguments().find(is_setting);
                let arg = arg.unwrap_or_else(|| panic!("{service} has no setting {variable}"));
                // The parser reads a named file, which exists in the cluster only.
                if !variable.ends_with("_FILE") && variable != "REVOCATIONS_CLIENT_ID" {
                    line.push(format!("--{}={}", arg.get_long().unwrap(), text(value)));
                }
            }
            if let Err(error) = command.clone().try_get_matches_from(&line) {
                panic!("{error}");
            }
        }
    }
}

#[test]
fn every_file_in_the_settings_is_mounted() {
    for deployment in of_kind("Deployment") {
        for container in containers(deployment) {
            let mounts = list(&container["volumeMounts"]);
            let mounted: Vec<_> = mounts.map(|mount| text(&mount["mountPath"])).collect();
            let files = settings(container).iter();
            for (variable, file) in files.filter(|(variable, _)| variable.ends_with("_FILE")) {
                let folder = Path::new(text(file)).parent().unwrap().to_str().unwrap();
                assert!(mounted.contains(&folder), "{variable} is not mounted");
            }
        }
    }
}

#[test]
fn a_pod_may_take_longer_to_terminate_than_its_services_need() {
    for deployment in of_kind("Deployment") {
        for container in containers(deployment) {
            let settings = settings(container);
            let seconds = |variable: &str| text(&settings[variable]).parse::<u64>().unwrap();
            let needed = seconds("SHUTDOWN_DELAY") + seconds("SHUTDOWN_TIMEOUT");
            let granted = pod(deployment)["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(granted > needed);
        }
    }
}

#[test]
fn the_ports_in_the_settings_are_the_ports_of_the_pods() {
    for deployment in of_kind("Deployment") {
        for container in containers(deployment) {
            let addrs = settings(container).iter();
            let addrs = addrs.filter(|(variable, _)| variable.ends_with("_ADDR"));
            let port = |addr| text(addr).rsplit_once(':').unwrap().1.parse().unwrap();
            let listening: BTreeSet<u64> = addrs.map(|(_, addr)| port(addr)).collect();
            assert_eq!(listening, ports(deployment).into_values().collect());
        }
    }
}
