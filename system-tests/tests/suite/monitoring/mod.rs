//! The dashboard and the alerts use metrics that the services have, Prometheus accepts every
//! expression, every panel shows data, and every alert has a section in the operator's guide.

mod exported;
mod services;

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;
use test_support::{Prometheus, promtool, wait_until};

use self::{exported::Exported, services::Services};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).expect(file)
}

/// Returns the dashboard's expressions, with values for its variables.
fn panels() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    collect_expressions(&dashboard, &mut expressions);
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            let arguments = query.strip_prefix("label_values(");
            let arguments = arguments.and_then(|rest| rest.strip_suffix(')')).expect(query);
            let (metric, label) = arguments.rsplit_once(", ").expect(query);
            expressions.push(format!("sum by ({label}) ({metric})"));
        }
    }
    assert!(expressions.len() > 30, "{expressions:?}");
    for variable in ["$job", "$instance"] {
        assert!(expressions.iter().any(|expression| expression.contains(variable)));
    }
    let fill = |expression: String| {
        let expression = expression.replace("$job", ".*").replace("$instance", ".*");
        expression.replace("$__rate_interval", "1m")
    };
    expressions.into_iter().map(fill).collect()
}

fn collect_expressions(value: &Value, expressions: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            expressions.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect_expressions(value, expressions));
        }
        Value::Array(values) => {
            values.iter().for_each(|value| collect_expressions(value, expressions));
        }
        _ => {}
    }
}

/// Returns the alerts as Prometheus has loaded them.
async fn alerts(prometheus: &Prometheus) -> Vec<Value> {
    let groups = prometheus.api("rules", &[]).await;
    let groups = groups["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Starts a Prometheus with the deployed configuration, except that it scrapes the services at
/// these addresses, every second.
fn start_prometheus(addrs: [SocketAddr; 2]) -> Prometheus {
    let mut configuration = read("deploy/prometheus/prometheus.yml");
    let [auth, resource] =
        addrs.map(|addr| format!("static_configs: [{{targets: [\"{addr}\"]}}]\n"));
    let discovery = |name: &str, port: u16| {
        let lines = [
            "dns_sd_configs:".to_owned(),
            format!("      - names: [{name}]"),
            "        type: A".to_owned(),
            format!("        port: {port}"),
            "        refresh_interval: 5s\n".to_owned(),
        ];
        lines.join("\n")
    };
    for (deployed, test) in [
        (discovery("auth-service", 9090), auth),
        (discovery("resource-service", 9090), resource),
        ("scrape_interval: 15s".into(), "scrape_interval: 1s".into()),
        ("evaluation_interval: 15s".into(), "evaluation_interval: 1s".into()),
    ] {
        assert!(configuration.contains(&deployed), "{deployed} is not in the configuration");
        configuration = configuration.replace(&deployed, &test);
    }
    Prometheus::start(&configuration, &read("deploy/prometheus/alerts.yml"))
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_use_metrics_that_exist_and_no_panel_is_empty() {
    let services = Services::start().await;
    let exported = Exported::scrape(services.addrs()).await;
    let prometheus = start_prometheus(services.addrs());
    let alerts = alerts(&prometheus).await;
    assert!(alerts.len() > 20);
    let alerts = alerts.iter().map(|alert| alert["query"].as_str().unwrap().to_owned());
    let alerts: Vec<String> = alerts.collect();
    for expression in panels().iter().chain(&alerts) {
        exported.assert_contains(expression);
    }

    for alert in &alerts {
        prometheus.api("query", &[("query", alert)]).await;
    }
    for panel in panels() {
        wait_until(format!("the panel {panel} has data"), async || {
            let answer = prometheus.api("query", &[("query", &panel)]).await;
            answer["result"].as_array().is_some_and(|rows| !rows.is_empty())
        })
        .await;
    }
}

#[tokio::test]
async fn every_alert_has_annotations_and_a_section_in_the_guide() {
    let nothing = "127.0.0.1:9".parse().unwrap();
    let alerts = alerts(&start_prometheus([nothing, nothing])).await;
    let guide = read("docs/operations.md");
    let (_, section) = guide.split_once("## When an alert fires\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    let mut anchors: BTreeSet<String> = headings.map(str::to_lowercase).collect();
    for alert in &alerts {
        let name = alert["name"].as_str().unwrap();
        for annotation in ["summary", "description"] {
            let text = alert["annotations"][annotation].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{name}: no {annotation}");
        }
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["page", "warning"].contains(&severity), "{name}: {severity}");
        let anchor = name.to_lowercase();
        assert_eq!(alert["annotations"]["runbook"], format!("docs/operations.md#{anchor}"));
        assert!(anchors.remove(&anchor), "{name} has no section");
    }
    assert!(anchors.is_empty(), "sections without an alert: {anchors:?}");
}

#[test]
fn promtool_accepts_the_configuration_and_the_alerts_fire_in_its_unit_tests() {
    let folder = root().join("deploy/prometheus");
    for args in [
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let (is_ok, printed) = promtool(&folder, &args);
        assert!(is_ok, "promtool {args:?}: {printed}");
        println!("{printed}");
    }
}
