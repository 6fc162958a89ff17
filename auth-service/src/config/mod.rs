//! Every setting, typed and validated, from options and environment variables.
//!
//! The help text of each setting is also its row in the documented table of settings, which a test
//! keeps up to date.

mod database;
mod redis;
mod rules;
mod secret_url;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, value_parser};
use service_kit::{
    connection_limits::ConnectionLimits,
    server::ServerSettings,
    settings::{http_url, leeway, name, positive_seconds, seconds},
    shutdown::ShutdownSettings,
    traces::TraceSettings,
};
use shared::keys::Algorithm;

pub use self::{database::DatabaseSettings, redis::RedisSettings, secret_url::SecretUrl};

/// Settings of auth-service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Address of the main listener
    #[arg(long, env = "AUTH_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub auth_addr: SocketAddr,

    /// Address of a separate listener for operators, with `/metrics`, `/healthz` and `/readyz`.
    /// Unset: the main listener serves `/metrics`
    #[arg(long, env = "METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// Number of proxies in front of the service. Each of them appends the address that it saw to
    /// X-Forwarded-For
    #[arg(
        long,
        env = "PROXY_HOPS",
        value_name = "COUNT",
        default_value = "0",
        value_parser = value_parser!(u8).range(0..=10)
    )]
    pub proxy_hops: u8,

    /// URL that tokens name as their issuer. Services find the keys below it. Unset: http:// and
    /// the address of the main listener
    #[arg(long, env = "ISSUER", value_name = "URL", value_parser = http_url)]
    pub issuer: Option<String>,

    /// Services that access tokens are for, separated by commas
    #[arg(
        long,
        env = "AUDIENCE",
        value_name = "NAMES",
        default_value = "api",
        value_delimiter = ',',
        value_parser = name
    )]
    pub audience: Vec<String>,

    /// Folder of the secret and, without DATABASE_URL, of the SQLite file
    #[arg(long, env = "DATA_DIR", value_name = "FOLDER", default_value = "data")]
    pub data_dir: PathBuf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub database: DatabaseSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub redis: RedisSettings,

    /// File with the secret that all replicas share. The secret seals the signing keys and
    /// authenticates refresh tokens. Unset: secret.key in the data folder, generated at the first
    /// start
    #[arg(long, env = "SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,

    /// Algorithm of new signing keys: EdDSA, ES256 or RS256
    #[arg(long, env = "SIGNING_ALGORITHM", value_name = "NAME", default_value = "EdDSA")]
    pub signing_algorithm: Algorithm,

    /// Time that a key signs before the next one takes over, in seconds. Unset: until `keys rotate`
    #[arg(
        long,
        env = "KEY_ROTATION_INTERVAL",
        value_name = "SECONDS",
        value_parser = positive_seconds
    )]
    pub key_rotation_interval: Option<Duration>,

    /// Time that a key is published before it signs, in seconds: longer than verifiers cache the
    /// keys
    #[arg(
        long,
        env = "KEY_PUBLISH_AHEAD",
        value_name = "SECONDS",
        default_value = "600",
        value_parser = positive_seconds
    )]
    pub key_publish_ahead: Duration,

    /// Lifetime of an access token, in seconds
    #[arg(
        long,
        env = "ACCESS_TOKEN_LIFETIME",
        value_name = "SECONDS",
        default_value = "300",
        value_parser = positive_seconds
    )]
    pub access_token_lifetime: Duration,

    /// Lifetime of a refresh token that is not used, in seconds
    #[arg(
        long,
        env = "REFRESH_TOKEN_LIFETIME",
        value_name = "SECONDS",
        default_value = "604800",
        value_parser = positive_seconds
    )]
    pub refresh_token_lifetime: Duration,

    /// Lifetime of a session, however often it is refreshed, in seconds
    #[arg(
        long,
        env = "SESSION_LIFETIME",
        value_name = "SECONDS",
        default_value = "2592000",
        value_parser = positive_seconds
    )]
    pub session_lifetime: Duration,

    /// Grace period in which a rotated refresh token gets the same answer again, in seconds. It
    /// keeps a lost answer from logging a user out
    #[arg(
        long,
        env = "REFRESH_GRACE",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds
    )]
    pub refresh_grace: Duration,

    /// Tolerated difference between the clocks of two services, in seconds
    #[arg(
        long,
        env = "LEEWAY",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = leeway
    )]
    pub leeway: Duration,

    /// Time that events of the audit trail are kept, in seconds
    #[arg(
        long,
        env = "AUDIT_RETENTION",
        value_name = "SECONDS",
        default_value = "7776000",
        value_parser = positive_seconds
    )]
    pub audit_retention: Duration,

    /// Cost of a password hash, 10 to 15. Each step doubles the time that a hash takes
    #[arg(
        long,
        env = "BCRYPT_COST",
        value_name = "COST",
        default_value = "12",
        value_parser = value_parser!(u32).range(10..=15)
    )]
    pub bcrypt_cost: u32,

    /// Number of threads that hash passwords. Each computes up to six hashes at a time. Unset: one
    /// for each core
    #[arg(
        long,
        env = "HASH_THREADS",
        value_name = "COUNT",
        value_parser = value_parser!(u16).range(1..=256)
    )]
    pub hash_threads: Option<u16>,

    /// Maximum number of requests that wait for a hash. A further request waits a second and is
    /// then answered 503
    #[arg(
        long,
        env = "HASH_QUEUE",
        value_name = "COUNT",
        default_value = "32",
        value_parser = value_parser!(u16).range(1..=10000)
    )]
    pub hash_queue: u16,

    /// Number of threads that serve requests. Unset: one for each core
    #[arg(
        long,
        env = "AUTH_WORKERS",
        value_name = "COUNT",
        value_parser = value_parser!(u16).range(1..=512)
    )]
    pub auth_workers: Option<u16>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub limits: ConnectionLimits,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub shutdown: ShutdownSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub traces: TraceSettings,
}

impl Settings {
    /// Returns the settings of the server that serves the routes.
    pub(crate) fn server(&self) -> ServerSettings {
        ServerSettings {
            service: "auth-service",
            addr: self.auth_addr,
            addr_setting: "AUTH_ADDR",
            metrics_addr: self.metrics_addr,
            workers: self.auth_workers,
            limits: self.limits,
            shutdown: self.shutdown,
        }
    }

    /// Returns the issuer that tokens name.
    pub fn issuer(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("http://{}", self.auth_addr))
    }

    /// Returns the file of the secret.
    pub fn secret_key_file(&self) -> PathBuf {
        self.secret_key_file.clone().unwrap_or_else(|| self.data_dir.join("secret.key"))
    }

    /// Returns whether this process generates a missing secret. A file that SECRET_KEY_FILE names
    /// must be generated by the operator, once for all replicas.
    pub fn generates_secret(&self) -> bool {
        self.secret_key_file.is_none()
    }
}
