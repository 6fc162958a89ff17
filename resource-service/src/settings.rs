//! Settings of resource-service.

use std::{fmt, net::SocketAddr, time::Duration};

use clap::{Args, Command, FromArgMatches, builder::Resettable, value_parser};
use service_kit::{
    connection_limits::ConnectionLimits,
    cors::CorsSettings,
    secret_file,
    server::ServerSettings,
    settings::{http_url, leeway, name, only_line, positive_seconds},
    shutdown::ShutdownSettings,
    traces::TraceSettings,
};
use shared::revocations::OutagePolicy;

/// Settings of resource-service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Address of the main listener
    #[arg(long, env = "RESOURCE_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8081")]
    pub resource_addr: SocketAddr,

    /// Address of a separate listener for operators, with `/metrics`, `/healthz` and `/readyz`.
    /// Unset: the main listener serves `/metrics` and `/readyz`
    #[arg(long, env = "METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// URL of auth-service, as tokens name it
    #[arg(
        long,
        env = "ISSUER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        value_parser = http_url
    )]
    pub issuer: String,

    /// URL of the issuer's keys. Unset: the metadata below ISSUER names it
    #[arg(long, env = "JWKS_URL", value_name = "URL", value_parser = http_url)]
    pub jwks_url: Option<String>,

    /// Time between two fetches of the issuer's keys, in seconds: less than the issuer's
    /// KEY_PUBLISH_AHEAD
    #[arg(
        long,
        env = "JWKS_REFRESH_INTERVAL",
        value_name = "SECONDS",
        default_value = "300",
        value_parser = positive_seconds
    )]
    pub jwks_refresh_interval: Duration,

    /// Id of the client that follows the issuer's revocation feed. The client needs the scope
    /// revocations:read. Unset: the service does not follow the feed
    #[arg(long, env = "REVOCATIONS_CLIENT_ID", value_name = "ID", requires = "secret")]
    pub revocations_client_id: Option<String>,

    /// Secret of that client
    #[arg(
        long,
        env = "REVOCATIONS_CLIENT_SECRET",
        value_name = "TEXT",
        group = "secret",
        hide_env_values = true,
        value_parser = secret
    )]
    pub revocations_client_secret: Option<Secret>,

    /// File that contains the secret of that client. SIGHUP reads it again
    #[arg(
        long,
        env = "REVOCATIONS_CLIENT_SECRET_FILE",
        value_name = "FILE",
        group = "secret",
        value_parser = SecretFile::read
    )]
    pub revocations_client_secret_file: Option<SecretFile>,

    /// URL of the issuer's revocation feed. Unset: /revocations below ISSUER
    #[arg(long, env = "REVOCATIONS_URL", value_name = "URL", value_parser = http_url)]
    pub revocations_url: Option<String>,

    /// How access tokens are treated while the revocation feed is down: accepted until_expiry,
    /// accepted for bounded:SECONDS after the last event or comment, or refused (closed)
    #[arg(long, env = "REVOCATIONS_OUTAGE", value_name = "POLICY", default_value = "until_expiry")]
    pub revocations_outage: OutagePolicy,

    /// Audiences that are accepted, separated by commas
    #[arg(
        long,
        env = "AUDIENCE",
        value_name = "NAMES",
        default_value = "api",
        value_delimiter = ',',
        value_parser = name
    )]
    pub audience: Vec<String>,

    /// Tolerated difference between the clocks of two services, in seconds
    #[arg(
        long,
        env = "LEEWAY",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = leeway
    )]
    pub leeway: Duration,

    /// Number of threads that serve requests. Unset: one for each core
    #[arg(
        long,
        env = "RESOURCE_WORKERS",
        value_name = "COUNT",
        value_parser = value_parser!(u16).range(1..=512)
    )]
    pub resource_workers: Option<u16>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its own settings are documented")]
    pub cors: CorsSettings,

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

/// A secret that is never printed.
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

/// Path of a file that contains a secret, and the secret.
#[derive(Clone, Debug)]
pub struct SecretFile {
    pub(crate) file: String,
    pub(crate) secret: Secret,
}

impl SecretFile {
    pub(crate) fn read(file: &str) -> Result<Self, String> {
        Ok(Self { file: file.to_owned(), secret: Secret(only_line(file)?) })
    }

    /// Checks that other users of this machine can neither read nor change the file.
    pub(crate) fn check_mode(&self) -> Result<(), String> {
        secret_file::check_mode(self.file.as_ref())
    }
}

impl Default for Settings {
    /// Returns the settings of a start without options, in an empty environment.
    fn default() -> Self {
        let command = Self::augment_args(Command::new("resource-service"));
        let command = command.mut_args(|arg| arg.env(Resettable::Reset));
        let no_options = command.get_matches_from(["resource-service"]);
        Self::from_arg_matches(&no_options).expect("every default value is valid")
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
