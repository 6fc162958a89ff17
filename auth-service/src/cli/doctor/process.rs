//! Settings, secret and limits of the process.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use service_kit::{open_files, secret_file};
use shared::http::is_loopback;

use super::finding::Finding;
use crate::{app::sqlite_file, config::Settings, keys::Secret};

/// Longest lifetime of access tokens that needs no advice. A service that does not follow the
/// revocation feed accepts the access tokens of an ended session until they expire.
const LONG_ACCESS_LIFETIME: Duration = Duration::from_secs(3600);

pub fn check_settings(settings: &Settings) -> Vec<Finding> {
    if let Err(why) = settings.validate() {
        let remedy = "Change the settings: see `auth-service --help`.";
        return vec![Finding::wrong("settings", why.to_string(), remedy)];
    }
    let issuer = settings.issuer();
    let audience = settings.audience.join(", ");
    let state = format!("the issuer is {issuer}, the audience is {audience}");
    let mut findings = vec![Finding::fine("settings", state)];
    if issuer.starts_with("http://") && !is_loopback(&issuer) {
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

pub fn check_secret(settings: &Settings) -> (Option<Secret>, Finding) {
    let file = settings.secret_key_file();
    if settings.generates_secret() && !file.exists() {
        let state = format!("{} does not exist yet: the first start creates it", file.display());
        return (None, Finding::fine("secret", state));
    }
    match Secret::read(&file) {
        Ok(secret) => {
            let finding = check_strength(&secret, &file);
            (Some(secret), finding)
        }
        Err(why) => {
            let remedy = "Generate the file once with `auth-service generate-secret`, and give it \
                to each replica.";
            (None, Finding::wrong("secret", why.to_string(), remedy))
        }
    }
}

fn check_strength(secret: &Secret, file: &Path) -> Finding {
    if let Err(why) = secret.check_strength(file) {
        return Finding::wrong("secret", why.to_string(), "The service does not start with it.");
    }
    let name = file.display();
    if let Some(weakness) = secret.weakness_of_earlier() {
        return Finding::advice(
            "secret",
            format!("{name} contains an earlier secret that {weakness}"),
            "Delete its line as soon as docs/guides/rotate-keys.md allows.",
        );
    }
    let mode = mode(file).unwrap_or_default();
    Finding::fine("secret", format!("{name} (mode {mode:o})"))
}

/// Checks that other users of this machine can read no file that holds secrets or users.
pub fn check_files(settings: &Settings) -> Vec<Finding> {
    let faulty = settings.secret_files().into_iter().filter_map(|(setting, file)| {
        let why = secret_file::check_mode(&file).err()?;
        let remedy = "The service does not start with it.";
        Some(Finding::wrong("files", format!("{} ({setting}) {why}", file.display()), remedy))
    });
    faulty.chain(check_data_folder(settings)).collect()
}

fn check_data_folder(settings: &Settings) -> Vec<Finding> {
    if settings.database.url().is_some() {
        return Vec::new();
    }
    let files = [(0o700, settings.data_dir.clone()), (0o600, sqlite_file(settings))];
    let open_to_others = files.into_iter().filter_map(|(wanted, file)| {
        let mode = mode(&file).filter(|mode| mode & 0o007 != 0)?;
        let name = file.display();
        Some(Finding::advice(
            "files",
            format!("all users of this machine can open {name} (DATA_DIR, mode {mode:o})"),
            format!("Run `chmod {wanted:o} {name}`."),
        ))
    });
    open_to_others.collect()
}

/// Returns the mode of a file. `None` if there is no such file.
fn mode(file: &Path) -> Option<u32> {
    fs::metadata(file).ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

/// Checks how many files the service may open. Only Linux has the number.
pub fn check_limits(settings: &Settings) -> Vec<Finding> {
    // The service raises the limit too.
    let Some(limit) = open_files::raise_limit() else { return Vec::new() };
    vec![match open_files::shortage(limit, settings.limits) {
        None => {
            let state = format!("the process may open {limit} files, each connection included");
            Finding::fine("limits", state)
        }
        Some(shortage) => {
            let remedy = "Raise the hard limit: LimitNOFILE= in systemd, `ulimits` in compose. Or \
                lower MAX_CONNECTIONS.";
            Finding::advice("limits", shortage, remedy)
        }
    }]
}
