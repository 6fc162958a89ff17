//! What concerns this process alone: its settings, its secret, its limits, and how fast it hashes.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration, time::Instant};

use serde_json::Value;
use service_kit::process_metrics::max_fds;

use super::Finding;
use crate::{
    config::Settings,
    credentials::{HashPool, HashPoolMetrics, PasswordHash},
    domain::password::Password,
    keys::Secret,
};

/// Fewer open files than this are fewer connections than a service may have.
const OPEN_FILES: f64 = 10_000.0;
/// An access token that lives longer is long out of date where nobody follows the revocations.
const LONG_ACCESS: Duration = Duration::from_secs(3600);

pub fn settings(settings: &Settings) -> Vec<Finding> {
    let issuer = settings.issuer();
    if let Err(why) = settings.clone().validate() {
        return vec![Finding::wrong(
            "settings",
            why.to_string(),
            "Set it otherwise: see `auth-service --help`.",
        )];
    }
    let mut findings = vec![Finding::fine(
        "settings",
        format!("the issuer is {issuer}, the audience {}", settings.audience.join(", ")),
    )];
    let is_local =
        |host: &str| ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local));
    if issuer.strip_prefix("http://").is_some_and(|host| !is_local(host)) {
        findings.push(Finding::advice(
            "settings",
            "ISSUER is http://: passwords and tokens would travel in the clear",
            "Put a proxy with TLS in front, and set ISSUER to its https:// URL.",
        ));
    }
    if settings.access_token_lifetime > LONG_ACCESS {
        findings.push(Finding::advice(
            "settings",
            "access tokens live longer than an hour",
            "Set ACCESS_TOKEN_LIFETIME to some minutes: clients refresh as often as they like.",
        ));
    }
    findings
}

pub fn secret(settings: &Settings) -> (Option<Secret>, Finding) {
    let file = settings.secret_key_file();
    if settings.makes_secret() && !file.exists() {
        let is = format!("{} is not there yet: it is made at the first start", file.display());
        return (None, Finding::fine("secret", is));
    }
    match Secret::read(&file) {
        Err(why) => {
            let remedy =
                "Make it once with `auth-service generate-secret`, and give the file to every replica.";
            (None, Finding::wrong("secret", why.to_string(), remedy))
        }
        Ok(secret) => {
            let mode = fs::metadata(&file).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
            let finding = if mode & 0o007 == 0 {
                Finding::fine("secret", format!("{} (mode {mode:o})", file.display()))
            } else {
                Finding::advice(
                    "secret",
                    format!("{} can be read by everybody here (mode {mode:o})", file.display()),
                    format!("chmod 600 {}: whoever reads it can forge refresh tokens.", file.display()),
                )
            };
            (Some(secret), finding)
        }
    }
}

/// How many files, and thus connections, the system lets this process open. Told by Linux alone.
pub fn limits() -> Vec<Finding> {
    let Some(limit) = max_fds() else { return Vec::new() };
    let is = format!("{limit} files, and thus connections, may be open at once");
    vec![if limit >= OPEN_FILES {
        Finding::fine("limits", is)
    } else {
        Finding::advice(
            "limits",
            is,
            "Raise it: `ulimit -n 65536`, LimitNOFILE= in systemd, `ulimits` in compose.",
        )
    }]
}

/// What a login costs on this machine, one at a time.
pub async fn hashing(settings: &Settings) -> Vec<Finding> {
    let Ok(password) = Password::parse("how long does this take?".into()) else { return Vec::new() };
    let Ok(pool) = HashPool::start(1, 1, HashPoolMetrics::default()) else { return Vec::new() };
    let hash = PasswordHash::hash(&password, settings.bcrypt_cost);
    let began = Instant::now();
    let hashed = match pool.acquire().await {
        Ok(permit) => pool.run(permit, hash).await,
        Err(busy) => Err(busy),
    };
    if hashed.is_err() {
        return vec![Finding::wrong("hashing", "a password could not be hashed", "See the log above.")];
    }
    let took = began.elapsed();
    let is = format!("a hash of cost {} takes {} ms of a core", settings.bcrypt_cost, took.as_millis());
    vec![if took < Duration::from_secs(1) {
        Finding::fine("hashing", is)
    } else {
        Finding::advice(
            "hashing",
            is,
            "Set BCRYPT_COST lower, or give the machine more cores: people wait that long.",
        )
    }]
}

/// Whether the issuer's URL leads to an auth-service that calls itself that.
pub async fn issuer(settings: &Settings) -> Vec<Finding> {
    if settings.issuer.is_none() {
        return Vec::new();
    }
    let issuer = settings.issuer();
    let url = format!("{}/.well-known/oauth-authorization-server", issuer.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build();
    let answer = match client {
        Ok(client) => client.get(&url).send().await,
        Err(why) => Err(why),
    };
    let metadata = match answer {
        Ok(answer) => answer.json::<Value>().await.ok(),
        Err(_) => None,
    };
    vec![match metadata.as_ref().and_then(|metadata| metadata["issuer"].as_str()) {
        Some(named) if named == issuer => {
            Finding::fine("issuer", format!("{url} answers, and names itself so"))
        }
        Some(named) => Finding::wrong(
            "issuer",
            format!("{url} answers, and calls itself {named}"),
            "Set ISSUER to the same URL at every replica: the one that services know.",
        ),
        None => Finding::advice(
            "issuer",
            format!("{url} gives no answer here"),
            "Services find the keys there. It may be that it is not to be reached from here, or that nothing runs yet.",
        ),
    }]
}
