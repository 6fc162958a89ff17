//! Settings, secret and limits of the process.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use service_kit::process_metrics::max_fds;

use super::finding::Finding;
use crate::{config::Settings, keys::Secret};

/// Number of open files that is enough. Each connection is an open file.
const ENOUGH_FILES: f64 = 10_000.0;
/// Lifetime from which access tokens are long out of date at services that do not follow the
/// revocation feed.
const LONG_ACCESS_LIFETIME: Duration = Duration::from_secs(3600);

pub fn check_settings(settings: &Settings) -> Vec<Finding> {
    if let Err(why) = settings.clone().validate() {
        let remedy = "Change the settings: see `auth-service --help`.";
        return vec![Finding::wrong("settings", why.to_string(), remedy)];
    }
    let issuer = settings.issuer();
    let audience = settings.audience.join(", ");
    let state = format!("the issuer is {issuer}, the audience is {audience}");
    let mut findings = vec![Finding::fine("settings", state)];
    if is_plain_http(&issuer) {
        findings.push(Finding::advice(
            "settings",
            "ISSUER is http://: passwords and tokens are sent unencrypted",
            "Put a proxy with TLS in front, and set ISSUER to its https:// URL.",
        ));
    }
    if settings.access_token_lifetime > LONG_ACCESS_LIFETIME {
        findings.push(Finding::advice(
            "settings",
            "access tokens live longer than an hour",
            "Set ACCESS_TOKEN_LIFETIME to a few minutes: a refresh is cheap.",
        ));
    }
    findings
}

/// Returns whether clients send requests to the issuer unencrypted over a network.
fn is_plain_http(issuer: &str) -> bool {
    let is_local =
        |host: &str| ["127.0.0.1", "localhost", "[::1]"].iter().any(|it| host.starts_with(it));
    issuer.strip_prefix("http://").is_some_and(|host| !is_local(host))
}

pub fn check_secret(settings: &Settings) -> (Option<Secret>, Finding) {
    let file = settings.secret_key_file();
    if settings.generates_secret() && !file.exists() {
        let state = format!("{} does not exist yet: the first start creates it", file.display());
        return (None, Finding::fine("secret", state));
    }
    match Secret::read(&file) {
        Ok(secret) => (Some(secret), check_mode(&file)),
        Err(why) => {
            let remedy = "Generate the file once with `auth-service generate-secret`, and give it \
                to each replica.";
            (None, Finding::wrong("secret", why.to_string(), remedy))
        }
    }
}

fn check_mode(file: &Path) -> Finding {
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    let name = file.display();
    if mode & 0o007 == 0 {
        return Finding::fine("secret", format!("{name} (mode {mode:o})"));
    }
    Finding::advice(
        "secret",
        format!("all users of this machine can read {name} (mode {mode:o})"),
        format!("Run `chmod 600 {name}`: a reader of the file can forge refresh tokens."),
    )
}

/// Checks how many files the process may open. Only Linux has the number.
pub fn check_limits() -> Vec<Finding> {
    let Some(limit) = max_fds() else { return Vec::new() };
    let state = format!("the process may open {limit} files, each connection included");
    vec![if limit >= ENOUGH_FILES {
        Finding::fine("limits", state)
    } else {
        let remedy = "Raise the limit: `ulimit -n 65536`, LimitNOFILE= in systemd, `ulimits` in \
            compose.";
        Finding::advice("limits", state, remedy)
    }]
}
