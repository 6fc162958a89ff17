//! The metrics that the services export.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use system_tests::promql;
use test_support::Client;

use super::services::scrape;

/// Labels that Prometheus adds to each metric.
const ADDED_LABELS: [&str; 2] = ["job", "instance"];

/// Metrics, with the values of each label.
#[derive(Default)]
pub struct Exported {
    metrics: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Exported {
    /// Returns the metrics of the services at these addresses.
    pub async fn scrape(addrs: [SocketAddr; 2]) -> Self {
        let mut exported = Self::default();
        for addr in addrs {
            let text = scrape(&Client::new(addr)).await;
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                exported.add(line);
            }
        }
        exported
    }

    /// Adds a sample, which is a selector followed by a value.
    fn add(&mut self, line: &str) {
        let (selector, _) = line.rsplit_once(' ').expect(line);
        let selector = promql::names(selector).selectors.remove(0);
        let labels = self.metrics.entry(selector.name.expect(line)).or_default();
        for matcher in selector.matchers.matchers {
            labels.entry(matcher.name).or_default().insert(matcher.value);
        }
    }

    /// Asserts that the services export every metric, label and label value that an expression
    /// names.
    pub fn assert_contains(&self, expression: &str) {
        let names = promql::names(expression);
        assert!(!names.selectors.is_empty(), "{expression}");
        let mut labels: BTreeSet<&str> = ADDED_LABELS.into();
        for selector in &names.selectors {
            let metric = selector.name.as_deref().expect(expression);
            // Prometheus makes this metric.
            if metric == "up" {
                continue;
            }
            let exported = self.metrics.get(metric);
            let exported = exported.unwrap_or_else(|| panic!("no metric {metric}: {expression}"));
            labels.extend(exported.keys().map(String::as_str));
            for matcher in &selector.matchers.matchers {
                if ADDED_LABELS.contains(&matcher.name.as_str()) {
                    continue;
                }
                let values = exported.get(&matcher.name);
                let values =
                    values.unwrap_or_else(|| panic!("no label {}: {expression}", matcher.name));
                for wanted in promql::alternatives(matcher) {
                    let is_exported = values.iter().any(|value| wanted.is_match(value));
                    assert!(is_exported, "no value fits {wanted}: {expression}");
                }
            }
        }
        for label in &names.labels {
            assert!(labels.contains(label.as_str()), "no label {label}: {expression}");
        }
    }
}
