//! Which modules of the other crates depend on which. Dependencies run one way.
//!
//! The suite of auth-service checks the rooms of auth-service.

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
            ("discovery", &[]),
            ("issuer", &[]),
            ("fetch_error", &[]),
            ("http", &[]),
            ("problem", &[]),
            ("request_hook", &[]),
            ("error", &["problem"]),
            ("extract", &["claims", "error"]),
            (
                "keys",
                &["clock", "discovery", "error", "fetch_error", "http", "issuer", "request_hook"],
            ),
            ("revocations", &["claims", "clock", "error", "fetch_error", "http", "request_hook"]),
            (
                "verifier",
                &[
                    "claims",
                    "clock",
                    "error",
                    "fetch_error",
                    "issuer",
                    "keys",
                    "request_hook",
                    "revocations",
                ],
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
            ("process_end", &[]),
            ("command", &["process_end"]),
            ("pause", &[]),
            ("occupancy", &["pause"]),
            ("connection", &["occupancy"]),
            ("core_dumps", &[]),
            ("secret_file", &[]),
            ("cors", &[]),
            ("metrics", &[]),
            ("process_metrics", &[]),
            ("bound_listener", &["command"]),
            ("health", &["command"]),
            ("output", &["command"]),
            ("reload", &["command"]),
            ("replaced_files", &["command"]),
            ("settings", &["command", "output"]),
            ("logs", &["command", "reload", "settings"]),
            ("connection_limits", &["settings"]),
            ("open_files", &["connection_limits"]),
            ("route", &["metrics"]),
            ("openapi", &["route"]),
            ("shutdown", &["accept_gate", "process_end", "settings"]),
            ("traces", &["command", "route", "settings"]),
            ("answer_headers", &[]),
            ("late_request", &["connection", "pause"]),
            (
                "request_log",
                &[
                    "answer_headers",
                    "connection",
                    "late_request",
                    "metrics",
                    "route",
                    "shutdown",
                    "traces",
                ],
            ),
            (
                "http_server",
                &[
                    "bound_listener",
                    "command",
                    "connection",
                    "cors",
                    "occupancy",
                    "pause",
                    "request_log",
                    "route",
                ],
            ),
            ("ops_listener", &["bound_listener", "command", "http_server", "request_log"]),
            (
                "server",
                &[
                    "accept_gate",
                    "bound_listener",
                    "command",
                    "connection_limits",
                    "http_server",
                    "metrics",
                    "open_files",
                    "ops_listener",
                    "request_log",
                    "shutdown",
                ],
            ),
            ("lib", &["command", "core_dumps", "logs", "settings"]),
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
