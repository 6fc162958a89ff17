//! Every setting, typed and validated, from options and environment variables.
//!
//! The help text of each setting is also its row in the documented table of settings, which a test
//! keeps up to date.

mod accounts;
mod database;
mod mail;
mod pages;
mod product;
mod redis;
mod rules;
mod secret_files;
mod secret_url;
mod switch;
mod verification;
mod webhooks;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, value_parser};
use service_kit::{
    connection_limits::ConnectionLimits,
    cors::CorsSettings,
    server::ServerSettings,
    settings::{http_url, leeway, name, positive_seconds, seconds},
    shutdown::ShutdownSettings,
    traces::TraceSettings,
};
use shared::keys::Algorithm;

use crate::domain::{
    account_rules::Registration, cookies::SameSite, name_rules::RESERVED_NAMES,
    trusted_origins::TrustedOrigins,
};

pub use self::{
    accounts::AccountSettings,
    database::DatabaseSettings,
    mail::MailSettings,
    pages::PageSettings,
    redis::RedisSettings,
    secret_url::{SecretUrl, UrlFile},
    verification::VerificationSettings,
    webhooks::WebhookSettings,
};

/// Settings of auth-service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Address of the main listener
    #[arg(long, env = "AUTH_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub auth_addr: SocketAddr,

    /// Address of a separate listener for operators, with `/metrics`, `/healthz` and `/readyz`.
    /// Unset: the main listener serves `/metrics` and `/readyz`
    #[arg(long, env = "METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// Number of proxies in front of the service. Each of them appends the address that it saw to
    /// X-Forwarded-For, where the client's address is the element at this position from the right
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

    /// Algorithm of new signing keys: EdDSA, ES256 or RS256. Unset: that of the current key, and
    /// ES256 for the first key
    #[arg(long, env = "SIGNING_ALGORITHM", value_name = "NAME")]
    pub signing_algorithm: Option<Algorithm>,

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

    /// Maximum number of live sessions of a user. A login beyond it ends the user's oldest session
    #[arg(
        long,
        env = "SESSIONS_PER_USER",
        value_name = "COUNT",
        default_value = "100",
        value_parser = value_parser!(u32).range(1..=10_000)
    )]
    pub sessions_per_user: u32,

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

    /// Whether a refresh replaces the refresh token: on or off. With off, a refresh token stays
    /// valid until it expires or its session ends, and a copied token is not noticed. For clients
    /// that keep their first refresh token
    #[arg(
        long,
        env = "REFRESH_ROTATION",
        value_name = "on|off",
        default_value = "on",
        action = clap::ArgAction::Set,
        value_parser = switch::on_or_off
    )]
    pub refresh_rotation: bool,

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

    /// Whether visitors may register: open, invite or closed. With invite, a registration needs an
    /// invitation of `auth-service users invite`. With closed, operators create users with
    /// `auth-service users create`
    #[arg(long, env = "REGISTRATION", value_name = "MODE", default_value = "open")]
    pub registration: Registration,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub verification: VerificationSettings,

    /// Usernames that no visitor may register, separated by commas. Names that look like one of
    /// them are refused too
    #[arg(
        long,
        env = "RESERVED_NAMES",
        value_name = "NAMES",
        default_value = RESERVED_NAMES,
        value_delimiter = ',',
        value_parser = name
    )]
    pub reserved_names: Vec<String>,

    /// Minimum length of a new password, in characters, 8 to 64. NIST SP 800-63B-4 demands 15 where
    /// a password alone logs a user in
    #[arg(
        long,
        env = "PASSWORD_MIN_LENGTH",
        value_name = "COUNT",
        default_value = "8",
        value_parser = value_parser!(u16).range(8..=64)
    )]
    pub password_min_length: u16,

    /// Lifetime of a one-time code, except codes that undo a change of email address, in seconds
    #[arg(
        long,
        env = "CODE_LIFETIME",
        value_name = "SECONDS",
        default_value = "3600",
        value_parser = positive_seconds
    )]
    pub code_lifetime: Duration,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub accounts: AccountSettings,

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

    /// Maximum number of requests that wait for a hash. One client address may hold at most half of
    /// them. A further request waits a second and is then answered 503
    #[arg(
        long,
        env = "HASH_QUEUE",
        value_name = "COUNT",
        default_value = "64",
        value_parser = value_parser!(u16).range(1..=10000)
    )]
    pub hash_queue: u16,

    /// Number of failed logins in a row with one name after which further logins are delayed, from
    /// 5 seconds to 15 minutes. After 50 failures the name is locked. 0: no limit. Devices and
    /// addresses of earlier logins have counters of their own
    #[arg(
        long,
        env = "LOGIN_FAILURES_PER_NAME",
        value_name = "COUNT",
        default_value = "5",
        value_parser = value_parser!(u8).range(0..=50)
    )]
    pub login_failures_per_name: u8,

    /// Number of failures of one client address (IPv6: /64) in an hour, at login, registration,
    /// change of password and with one-time codes, after which its attempts are refused. Requests
    /// for codes without an access token count too. 0: no limit
    #[arg(
        long,
        env = "LOGIN_FAILURES_PER_ADDRESS",
        value_name = "COUNT",
        default_value = "100",
        value_parser = value_parser!(u32).range(0..=1_000_000)
    )]
    pub login_failures_per_address: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub mail: MailSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub webhooks: WebhookSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub pages: PageSettings,

    /// Number of threads that serve requests. Unset: one for each core
    #[arg(
        long,
        env = "AUTH_WORKERS",
        value_name = "COUNT",
        value_parser = value_parser!(u16).range(1..=512)
    )]
    pub auth_workers: Option<u16>,

    /// Requests of other sites with which browsers send the cookie of a session: lax (those that
    /// open a page) or strict (none)
    #[arg(long, env = "COOKIE_SAME_SITE", value_name = "MODE", default_value = "lax")]
    pub cookie_same_site: SameSite,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its settings are documented")]
    pub cors: CorsSettings,

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

    /// Returns the path of the issuer's URL, empty or as `/auth`.
    pub fn issuer_path(&self) -> String {
        let issuer = self.issuer();
        let rest = issuer.split_once("://").map_or("", |(_, rest)| rest);
        rest.split_once('/').map_or_else(String::new, |(_, path)| format!("/{path}"))
    }

    /// Returns the origins of the web pages that may act for a user.
    pub(crate) fn trusted_origins(&self) -> TrustedOrigins {
        let others = self.cors.browser_origins.iter().map(ToString::to_string);
        TrustedOrigins::new(&self.issuer(), others)
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
