//! The dashboard and the alerts are true: they name what both services tell, Prometheus understands them, no panel stays
//! empty, and every alert says where to read on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Deployment, is_accepted, promql};
use test_support::{Client, Process, Prometheus, RedisServer, promtool};

/// What Prometheus itself adds to each metric, or makes of it.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).expect(file)
}

/// Both services after something of everything has happened to them.
struct Services {
    deployment: Deployment,
    _redis: RedisServer,
    resource: Process,
}

impl Services {
    async fn start() -> Self {
        let mut redis = RedisServer::start();
        let deployment = Deployment::start_with(1, &[("REDIS_URL", &redis.url())]).await;
        let (auth, addr) = (deployment.client(0), deployment.auth[0].addr(0).to_string());
        let (resource, client) = deployment.resource_service(&addr, &[]).await;
        let tokens = auth.new_user("ada").await;
        assert!(is_accepted(&client, &tokens).await);
        let tokens = auth.refreshed(&tokens.refresh).await;
        let words = json!({"old_password": "correct horse battery", "new_password": "another horse battery"});
        let change = auth.request(Method::POST, "/password").bearer_auth(&tokens.access).json(&words);
        assert_eq!(auth.send(change).await.status, 204);
        deployment.cli(&["keys", "rotate"]);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !scrape(&auth).await.contains("\nauth_signing_key_next_seconds ") {
            assert!(Instant::now() < deadline, "it does not see the next key");
        }
        // What fails is told, too.
        redis.stop();
        auth.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
        auth.get("/readyz", None).await;
        Self { deployment, _redis: redis, resource }
    }

    /// The addresses of both.
    fn addrs(&self) -> [std::net::SocketAddr; 2] {
        [self.deployment.auth[0].addr(0), self.resource.addr(0)]
    }
}

async fn scrape(service: &Client) -> String {
    service.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
}

/// The values of each label of each metric.
type Told = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn told_in(text: &str, told: &mut Told) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = &line[..line.find(['{', ' ']).expect(line)];
        let labels = told.entry(name.into()).or_default();
        let selector = &line[..line.rfind(' ').expect(line)];
        for matcher in promql::names(selector).selectors.remove(0).matchers {
            labels.entry(matcher.label).or_default().extend(matcher.values);
        }
    }
}

/// The dashboard's expressions, with its variables in place.
fn panels() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap();
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (metric, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect(query);
            found.push(format!("sum by ({label}) ({metric})"));
        }
    }
    assert!(found.len() > 30, "{found:?}");
    for variable in ["$job", "$instance"] {
        assert!(found.iter().any(|panel| panel.contains(variable)));
    }
    let fill = |panel: String| {
        panel.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "1m")
    };
    found.into_iter().map(fill).collect()
}

/// The alerts, as Prometheus has read them: name, expression, annotations.
async fn alerts(prometheus: &Prometheus) -> Vec<Value> {
    let groups = prometheus.api("rules", &[]).await;
    let groups = groups["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// A Prometheus that finds the services at these addresses, and everything else as the example says.
fn prometheus(addrs: [std::net::SocketAddr; 2]) -> Prometheus {
    let mut configuration = read("deploy/prometheus/prometheus.yml");
    let [auth, resource] = addrs.map(|addr| format!("static_configs: [{{targets: [\"{addr}\"]}}]\n"));
    let found = |name: &str, port: u16| {
        format!(
            "dns_sd_configs:\n      - names: [{name}]\n        type: A\n        port: {port}\n        \
             refresh_interval: 5s\n"
        )
    };
    for (theirs, ours) in [
        (found("auth-service", 8080), auth),
        (found("resource-service", 8081), resource),
        ("scrape_interval: 15s".into(), "scrape_interval: 1s".into()),
        ("evaluation_interval: 15s".into(), "evaluation_interval: 1s".into()),
    ] {
        assert!(configuration.contains(&theirs), "{theirs} is not in the configuration");
        configuration = configuration.replace(&theirs, &ours);
    }
    Prometheus::start(&configuration, &read("deploy/prometheus/alerts.yml"))
}

/// Asserts that what this expression names is told by a service.
fn assert_told(expression: &str, told: &Told) {
    let names = promql::names(expression);
    let mut labels: BTreeSet<&str> = OF_PROMETHEUS.into();
    assert!(!names.selectors.is_empty(), "{expression}");
    for selector in names.selectors.iter().filter(|selector| selector.name != "up") {
        let of_metric = told.get(&selector.name);
        let of_metric = of_metric.unwrap_or_else(|| panic!("no {} is told: {expression}", selector.name));
        labels.extend(of_metric.keys().map(String::as_str));
        for matcher in &selector.matchers {
            if OF_PROMETHEUS.contains(&matcher.label.as_str()) {
                continue;
            }
            let values = of_metric.get(&matcher.label);
            let values = values.unwrap_or_else(|| panic!("no label {}: {expression}", matcher.label));
            for wanted in &matcher.values {
                assert!(
                    values.iter().any(|value| fits(wanted, value)),
                    "{} is never {wanted}: {expression}",
                    matcher.label
                );
            }
        }
    }
    for label in &names.labels {
        assert!(labels.contains(label.as_str()), "no label {label}: {expression}");
    }
}

/// Whether a value is one that the expression names, in which a dot stands for any character.
fn fits(wanted: &str, value: &str) -> bool {
    wanted.len() == value.len()
        && wanted.chars().zip(value.chars()).all(|(wanted, is)| wanted == '.' || wanted == is)
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_name_what_is_told_and_prometheus_answers_each() {
    let services = Services::start().await;
    let mut told = Told::new();
    for addr in services.addrs() {
        told_in(&scrape(&Client::new(addr)).await, &mut told);
    }
    let prometheus = prometheus(services.addrs());
    let alerts = alerts(&prometheus).await;
    assert!(alerts.len() > 20);
    let expressions = alerts.iter().map(|alert| alert["query"].as_str().unwrap().to_owned());
    for expression in panels().into_iter().chain(expressions) {
        assert_told(&expression, &told);
    }

    for alert in &alerts {
        prometheus.api("query", &[("query", alert["query"].as_str().unwrap())]).await;
    }
    for panel in panels() {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = prometheus.api("query", &[("query", &panel)]).await;
            if answer["result"].as_array().is_some_and(|rows| !rows.is_empty()) {
                break;
            }
            assert!(Instant::now() < deadline, "this panel is empty: {panel}");
        }
    }
}

#[tokio::test]
async fn every_alert_says_what_it_is_and_where_to_read_on() {
    let nobody = "127.0.0.1:9".parse().unwrap();
    let alerts = alerts(&prometheus([nobody, nobody])).await;
    let page = read("docs/operations.md");
    let (_, page) = page.split_once("## When an alert fires\n").unwrap();
    let section = page.split("\n## ").next().unwrap();
    let mut anchors: BTreeSet<String> =
        section.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    for alert in &alerts {
        let name = alert["name"].as_str().unwrap();
        for annotation in ["summary", "description"] {
            assert!(alert["annotations"][annotation].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert!(["page", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        let anchor = name.to_lowercase();
        assert_eq!(alert["annotations"]["runbook"], format!("docs/operations.md#{anchor}"));
        assert!(anchors.remove(&anchor), "{name} has no section");
    }
    assert!(anchors.is_empty(), "sections without an alert: {anchors:?}");
}

#[test]
fn promtool_accepts_the_rules_and_they_fire_when_they_should() {
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
