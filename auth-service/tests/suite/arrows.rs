//! Which rooms of auth-service depend on which. Dependencies run one way.

use std::path::Path;

use test_support::assert_arrows;

/// The rooms, from the innermost to the outermost, each with the rooms and items that it may name.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("health", &[]),
    ("audit_log", &["domain"]),
    ("redis", &["domain::percent", "health"]),
    ("credentials", &["domain"]),
    ("store", &["audit_log", "credentials::PasswordHash", "domain", "health"]),
    ("keys", &["domain", "health", "store"]),
    ("tokens", &["domain", "keys"]),
    ("throttle", &["domain", "redis"]),
    ("session_state", &["domain", "health", "redis", "store"]),
    ("revocation_feed", &["domain", "health", "redis", "store"]),
    ("jobs", &["domain", "health", "keys", "store"]),
    ("metrics", &["domain"]),
    (
        "sessions",
        &[
            "audit_log",
            "domain",
            "health",
            "jobs",
            "metrics",
            "revocation_feed",
            "session_state",
            "store",
            "tokens",
        ],
    ),
    ("oauth", &["domain", "revocation_feed", "session_state", "sessions", "store", "tokens"]),
    (
        "accounts",
        &["credentials", "domain", "jobs", "metrics", "sessions", "store", "throttle", "tokens"],
    ),
    ("provisioning", &["accounts", "domain", "jobs::webhooks", "oauth", "store"]),
    ("config", &["domain", "jobs::mail", "redis", "store::ConnectionString"]),
    (
        "app",
        &[
            "accounts",
            "config",
            "credentials",
            "domain",
            "jobs",
            "keys",
            "metrics",
            "oauth",
            "provisioning",
            "redis",
            "revocation_feed",
            "session_state",
            "sessions",
            "store",
            "throttle",
            "tokens",
        ],
    ),
    (
        "http",
        &[
            "accounts",
            "app::App",
            "config::Settings",
            "credentials::HashPoolBusy",
            "domain",
            "metrics::GaugeValues",
            "oauth",
            "revocation_feed::Revocation",
            "session_state::SessionStateError",
            "sessions",
            "store::StoreError",
            "throttle::Throttled",
            "tokens",
        ],
    ),
    (
        "cli",
        &[
            "accounts",
            "app",
            "config",
            "credentials",
            "domain",
            "health::one_line",
            "http::server",
            "jobs",
            "keys",
            "oauth",
            "provisioning",
            "redis::info_field",
            "session_state",
            "store",
        ],
    ),
    ("lib", &["app::App", "domain", "http::server", "keys::SigningKey"]),
];

#[test]
fn rooms_depend_on_each_other_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_arrows(&src, ROOMS);
}
