//! Settings of resource-service.

use std::{fmt, fs, net::SocketAddr, time::Duration};

use clap::Args;
use service_kit::{
    connection_limits::ConnectionLimits,
    server::ServerSettings,
    settings::{http_url, leeway, name, positive_seconds},
    shutdown::ShutdownSettings,
    traces::TraceSettings,
};
use shared::revocations::OutagePolicy;

/// The settings of resource-service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The address to listen on
    #[arg(long, env = "RESOURCE_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8081")]
    pub resource_addr: SocketAddr,

    /// Another address, for those who run it: `/metrics` is there and not at the main one, with `/healthz` and `/readyz`. Unset: `/metrics` is at the main address
    #[arg(long, env = "METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// auth-service's URL, as tokens name it
    #[arg(long, env = "ISSUER", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = http_url)]
    pub issuer: String,

    /// Where the issuer's keys are, if not below its URL
    #[arg(long, env = "JWKS_URL", value_name = "URL", value_parser = http_url)]
    pub jwks_url: Option<String>,

    /// How often the issuer's keys are fetched anew, in seconds: more often than its KEY_PUBLISH_AHEAD
    #[arg(long, env = "JWKS_REFRESH_INTERVAL", value_name = "SECONDS", default_value = "300", value_parser = positive_seconds)]
    pub jwks_refresh_interval: Duration,

    /// The client that follows the issuer's revocations, with the scope revocations:read. Unset: they are not followed
    #[arg(long, env = "REVOCATIONS_CLIENT_ID", value_name = "ID", requires = "secret")]
    pub revocations_client_id: Option<String>,

    /// That client's secret
    #[arg(long, env = "REVOCATIONS_CLIENT_SECRET", value_name = "TEXT", group = "secret", hide_env_values = true, value_parser = secret)]
    pub revocations_client_secret: Option<Secret>,

    /// A file with that client's secret, read again at SIGHUP
    #[arg(long, env = "REVOCATIONS_CLIENT_SECRET_FILE", value_name = "FILE", group = "secret", value_parser = SecretFile::read)]
    pub revocations_client_secret_file: Option<SecretFile>,

    /// Where the issuer's revocations are, if not below its URL
    #[arg(long, env = "REVOCATIONS_URL", value_name = "URL", value_parser = http_url)]
    pub revocations_url: Option<String>,

    /// What becomes of tokens while revocations cannot be followed: accepted until_expiry, for bounded:SECONDS, or closed
    #[arg(long, env = "REVOCATIONS_OUTAGE", value_name = "POLICY", default_value = "until_expiry")]
    pub revocations_outage: OutagePolicy,

    /// The audiences of the tokens that are accepted, separated by commas
    #[arg(long, env = "AUDIENCE", value_name = "NAMES", default_value = "api", value_delimiter = ',', value_parser = name)]
    pub audience: Vec<String>,

    /// How far the clocks of two services may be apart, in seconds
    #[arg(long, env = "LEEWAY", value_name = "SECONDS", default_value = "10", value_parser = leeway)]
    pub leeway: Duration,

    /// How many threads serve requests. Unset: one a core
    #[arg(long, env = "RESOURCE_WORKERS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub resource_workers: Option<u16>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub limits: ConnectionLimits,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub shutdown: ShutdownSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub traces: TraceSettings,
}

/// A secret. Never printed.
#[derive(Clone)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    name(text).map(Secret)
}

/// A file, and the secret that is in it.
#[derive(Clone, Debug)]
pub struct SecretFile {
    pub(crate) file: String,
    pub(crate) secret: Secret,
}

impl SecretFile {
    pub(crate) fn read(file: &str) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|why| why.to_string())?;
        Ok(Self { file: file.to_owned(), secret: secret(&text)? })
    }
}

impl Settings {
    pub(crate) fn server(&self) -> ServerSettings {
        ServerSettings {
            service: "resource-service",
            addr: self.resource_addr,
            addr_setting: "RESOURCE_ADDR",
            metrics_addr: self.metrics_addr,
            workers: self.resource_workers,
            limits: self.limits,
            shutdown: self.shutdown,
        }
    }
}
