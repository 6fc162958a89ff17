//! Which modules of the other crates depend on which. Dependencies run one way.
//!
//! The rooms of auth-service have a test of their own, in its suite.

use std::path::Path;

use test_support::assert_arrows;

fn assert_arrows_of(name: &str, rooms: &[(&str, &[&str])]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert_arrows(&root.join(name).join("src"), rooms);
}

#[test]
fn modules_of_shared_depend_on_each_other_one_way() {
    assert_arrows_of(
        "shared",
        &[
            ("claims", &[]),
            ("clock", &[]),
            ("fetch_error", &[]),
            ("http", &[]),
            ("problem", &[]),
            ("request_hook", &[]),
            ("error", &["problem"]),
            ("extract", &["claims", "error"]),
            ("keys", &["error", "fetch_error", "http", "request_hook"]),
            ("revocations", &["claims", "clock", "error", "fetch_error", "http", "request_hook"]),
            (
                "verifier",
                &["claims", "clock", "error", "fetch_error", "keys", "request_hook", "revocations"],
            ),
            ("actix", &["claims", "error", "extract", "problem", "verifier"]),
            ("axum", &["error", "extract", "problem", "verifier"]),
            ("testing", &["claims", "clock", "keys", "verifier"]),
            ("lib", &["error", "extract", "fetch_error", "verifier"]),
        ],
    );
}

#[test]
fn modules_of_service_kit_depend_on_each_other_one_way() {
    assert_arrows_of(
        "service-kit",
        &[
            ("accept_gate", &[]),
            ("command", &[]),
            ("connection_limits", &[]),
            ("metrics", &[]),
            ("process_metrics", &[]),
            ("bound_listener", &["command"]),
            ("health", &["command"]),
            ("reload", &["command"]),
            ("settings", &["command"]),
            ("logs", &["command", "reload"]),
            ("route", &["metrics"]),
            ("openapi", &["route"]),
            ("shutdown", &["accept_gate", "settings"]),
            ("traces", &["command", "route", "settings"]),
            ("request_log", &["metrics", "route", "shutdown", "traces"]),
            ("ops_listener", &["bound_listener", "command", "request_log", "route"]),
            (
                "server",
                &[
                    "accept_gate",
                    "bound_listener",
                    "command",
                    "connection_limits",
                    "metrics",
                    "ops_listener",
                    "request_log",
                    "route",
                    "shutdown",
                ],
            ),
            ("lib", &["command", "logs", "settings"]),
        ],
    );
}

#[test]
fn modules_of_resource_service_depend_on_each_other_one_way() {
    assert_arrows_of(
        "resource-service",
        &[
            ("metrics", &[]),
            ("readyz", &[]),
            ("routes", &[]),
            ("settings", &[]),
            ("server", &["metrics", "readyz", "routes", "settings"]),
            ("lib", &["server", "settings"]),
        ],
    );
}
