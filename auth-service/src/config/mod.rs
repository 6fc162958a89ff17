//! Every setting, typed and validated, from flags and environment. `docs/reference/configuration.md` lists them all, and a test
//! compares it with this file.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use service_kit::{
    CommandError,
    connection_limits::ConnectionLimits,
    server::ServerSettings,
    settings::{http_url, leeway, name, positive_seconds, seconds},
    shutdown::ShutdownSettings,
    traces::TraceSettings,
};
use shared::{keys::Algorithm, revocations::OutagePolicy};

use crate::redis::{Certificates, ClientCertificate, NO_CERTIFICATES, Server};

/// A URL that may hold a password. Never printed.
#[derive(Clone)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Creates a URL that is never printed.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Returns the URL, which may hold a password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(redacted)")
    }
}

/// The settings of auth-service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The address to listen on
    #[arg(long, env = "AUTH_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub auth_addr: SocketAddr,

    /// Another address, for those who run it: `/metrics` is there and not at the main one, with `/healthz` and `/readyz`. Unset: `/metrics` is at the main address
    #[arg(long, env = "METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// How many proxies stand in front, each of which adds to X-Forwarded-For the address it saw
    #[arg(long, env = "PROXY_HOPS", value_name = "COUNT", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub proxy_hops: u8,

    /// The URL that tokens name as their issuer; services find the keys below it. Unset: http:// and the address
    #[arg(long, env = "ISSUER", value_name = "URL", value_parser = http_url)]
    pub issuer: Option<String>,

    /// The services that access tokens are for, separated by commas
    #[arg(long, env = "AUDIENCE", value_name = "NAMES", default_value = "api", value_delimiter = ',', value_parser = name)]
    pub audience: Vec<String>,

    /// The folder for the secret and, without a database URL, for the SQLite file
    #[arg(long, env = "DATA_DIR", value_name = "FOLDER", default_value = "data")]
    pub data_dir: PathBuf,

    /// PostgreSQL, as postgres://user:password@host/database, or with several hosts, separated by commas. Unset: SQLite in the data folder
    #[arg(long, env = "DATABASE_URL", value_name = "URL", group = "database", hide_env_values = true, value_parser = database_url)]
    pub database_url: Option<SecretUrl>,

    /// A file with that URL
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE", group = "database", value_parser = in_file(database_url))]
    pub database_url_file: Option<SecretUrl>,

    /// How many connections to the database each process keeps
    #[arg(long, env = "DATABASE_POOL_SIZE", value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_pool_size: u32,

    /// How long a request waits for the database before it is answered 503, in seconds
    #[arg(long, env = "DATABASE_TIMEOUT", value_name = "SECONDS", default_value = "3", value_parser = positive_seconds)]
    pub database_timeout: Duration,

    /// Redis, as redis://:password@host:port/number, for the blacklist. A cluster as redis-cluster://host:port,host:port, Sentinels as redis-sentinel://host:port,host:port/master. With rediss in the place of redis: TLS. Unset: embedded, in the SQLite file
    #[arg(long, env = "REDIS_URL", value_name = "URL", group = "redis", hide_env_values = true, value_parser = redis_url)]
    pub redis_url: Option<SecretUrl>,

    /// A file with that URL
    #[arg(long, env = "REDIS_URL_FILE", value_name = "FILE", group = "redis", value_parser = in_file(redis_url))]
    pub redis_url_file: Option<SecretUrl>,

    /// The certificate of the authority that Redis' own must be signed by (PEM). Unset: one that this system trusts
    #[arg(long, env = "REDIS_CA_FILE", value_name = "FILE")]
    pub redis_ca_file: Option<PathBuf>,

    /// The certificate to show to Redis (PEM), if it asks for one
    #[arg(long, env = "REDIS_CERT_FILE", value_name = "FILE")]
    pub redis_cert_file: Option<PathBuf>,

    /// That certificate's private key (PEM)
    #[arg(long, env = "REDIS_KEY_FILE", value_name = "FILE")]
    pub redis_key_file: Option<PathBuf>,

    /// What the names of all keys in Redis start with
    #[arg(
        long,
        env = "REDIS_KEY_PREFIX",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub redis_key_prefix: String,

    /// How long a request waits for Redis before it is answered 503, in seconds
    #[arg(long, env = "REDIS_TIMEOUT", value_name = "SECONDS", default_value = "1", value_parser = positive_seconds)]
    pub redis_timeout: Duration,

    /// What becomes of access tokens here while Redis is away: accepted until_expiry, for bounded:SECONDS, or closed. Refreshes are answered 503 in any case
    #[arg(long, env = "REDIS_OUTAGE", value_name = "POLICY", default_value = "until_expiry")]
    pub redis_outage: OutagePolicy,

    /// The file with the secret that all replicas share: it seals the signing keys and authenticates refresh tokens. Unset: secret.key in the data folder, made at the first start
    #[arg(long, env = "SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,

    /// The algorithm of new signing keys: EdDSA, ES256 or RS256
    #[arg(long, env = "SIGNING_ALGORITHM", value_name = "NAME", default_value = "EdDSA")]
    pub signing_algorithm: Algorithm,

    /// How long a key signs before the next one takes over, in seconds. Unset: until `keys rotate`
    #[arg(long, env = "KEY_ROTATION_INTERVAL", value_name = "SECONDS", value_parser = positive_seconds)]
    pub key_rotation_interval: Option<Duration>,

    /// How long a key is published before it signs, in seconds: longer than verifiers keep the keys they have fetched
    #[arg(long, env = "KEY_PUBLISH_AHEAD", value_name = "SECONDS", default_value = "600", value_parser = positive_seconds)]
    pub key_publish_ahead: Duration,

    /// How long an access token lives, in seconds
    #[arg(long, env = "ACCESS_TOKEN_LIFETIME", value_name = "SECONDS", default_value = "300", value_parser = positive_seconds)]
    pub access_token_lifetime: Duration,

    /// How long a refresh token lives if it is not used, in seconds
    #[arg(long, env = "REFRESH_TOKEN_LIFETIME", value_name = "SECONDS", default_value = "604800", value_parser = positive_seconds)]
    pub refresh_token_lifetime: Duration,

    /// How long a session lives, however often it is refreshed, in seconds
    #[arg(long, env = "SESSION_LIFETIME", value_name = "SECONDS", default_value = "2592000", value_parser = positive_seconds)]
    pub session_lifetime: Duration,

    /// How long a rotated refresh token is still answered, so that a lost answer logs nobody out, in seconds
    #[arg(long, env = "REFRESH_GRACE", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub refresh_grace: Duration,

    /// How far the clocks of two services may be apart, in seconds
    #[arg(long, env = "LEEWAY", value_name = "SECONDS", default_value = "10", value_parser = leeway)]
    pub leeway: Duration,

    /// How long events of the audit trail are kept, in seconds
    #[arg(long, env = "AUDIT_RETENTION", value_name = "SECONDS", default_value = "7776000", value_parser = positive_seconds)]
    pub audit_retention: Duration,

    /// The cost of a password hash, 10 to 15: each step doubles the time it takes
    #[arg(long, env = "BCRYPT_COST", value_name = "COST", default_value = "12", value_parser = clap::value_parser!(u32).range(10..=15))]
    pub bcrypt_cost: u32,

    /// How many threads hash passwords, each up to six at a time. Unset: one a core
    #[arg(long, env = "HASH_THREADS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub hash_threads: Option<u16>,

    /// How many logins and registrations may wait for a hash; further ones wait a second and are answered 503
    #[arg(long, env = "HASH_QUEUE", value_name = "COUNT", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=10000))]
    pub hash_queue: u16,

    /// How many threads serve requests. Unset: one a core
    #[arg(long, env = "AUTH_WORKERS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub auth_workers: Option<u16>,

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

impl Settings {
    /// The rules that hold between settings.
    ///
    /// # Errors
    /// One line that names what contradicts what.
    pub fn validate(self) -> Result<Self, CommandError> {
        let wrong = |line: &str| Err(CommandError::new(line));
        if self.database_url().is_some() && self.redis_url().is_none() {
            return wrong(
                "DATABASE_URL is set but REDIS_URL is not: replicas that share a database must share a blacklist",
            );
        }
        if self.redis_cert_file.is_some() != self.redis_key_file.is_some() {
            return wrong("REDIS_CERT_FILE and REDIS_KEY_FILE belong together: one of them is not set");
        }
        if self.access_token_lifetime > self.refresh_token_lifetime {
            return wrong("ACCESS_TOKEN_LIFETIME is longer than REFRESH_TOKEN_LIFETIME");
        }
        if self.refresh_token_lifetime > self.session_lifetime {
            return wrong("REFRESH_TOKEN_LIFETIME is longer than SESSION_LIFETIME");
        }
        if self.refresh_grace >= self.refresh_token_lifetime {
            return wrong("REFRESH_GRACE must be shorter than REFRESH_TOKEN_LIFETIME");
        }
        if self.key_rotation_interval.is_some_and(|interval| interval <= self.key_publish_ahead) {
            return wrong("KEY_ROTATION_INTERVAL must be longer than KEY_PUBLISH_AHEAD");
        }
        if self.issuer.is_none() && self.auth_addr.ip().is_unspecified() {
            return wrong(
                "ISSUER is not set, and AUTH_ADDR is no address that a service could find the keys at",
            );
        }
        Ok(self)
    }

    /// Where PostgreSQL is. `None` is SQLite.
    pub fn database_url(&self) -> Option<&SecretUrl> {
        self.database_url.as_ref().or(self.database_url_file.as_ref())
    }

    fn redis_url(&self) -> Option<&SecretUrl> {
        self.redis_url.as_ref().or(self.redis_url_file.as_ref())
    }

    /// How to reach Redis. `None` is the embedded blacklist.
    ///
    /// # Errors
    /// One line that says which file of certificates cannot be used.
    pub(crate) fn redis(&self) -> Result<Option<Server>, CommandError> {
        let Some(url) = self.redis_url() else { return Ok(None) };
        let read = |file: &Path, name| {
            fs::read(file)
                .map_err(|why| CommandError::new(format!("cannot read {} ({name}): {why}", file.display())))
        };
        let root_cert = self.redis_ca_file.as_deref().map(|file| read(file, "REDIS_CA_FILE")).transpose()?;
        let is_certificate = |text: &Vec<u8>| {
            pem::parse_many(text).is_ok_and(|pems| pems.iter().any(|pem| pem.tag() == "CERTIFICATE"))
        };
        if root_cert.as_ref().is_some_and(|text| !is_certificate(text)) {
            return Err(CommandError::new("REDIS_CA_FILE holds no certificate in PEM"));
        }
        let client_tls = match (&self.redis_cert_file, &self.redis_key_file) {
            (Some(cert), Some(key)) => Some(ClientCertificate {
                client_cert: read(cert, "REDIS_CERT_FILE")?,
                client_key: read(key, "REDIS_KEY_FILE")?,
            }),
            _ => None,
        };
        let server = Server::parse(&url.0, &Certificates { client_tls, root_cert });
        let wrong =
            |why| CommandError::new(format!("REDIS_URL {why}, and REDIS_CA_FILE and the others hold PEM"));
        server.map(Some).map_err(wrong)
    }

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

    /// The issuer that tokens name.
    pub fn issuer(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("http://{}", self.auth_addr))
    }

    /// Where the secret is.
    pub fn secret_key_file(&self) -> PathBuf {
        self.secret_key_file.clone().unwrap_or_else(|| self.data_dir.join("secret.key"))
    }

    /// Whether this process makes a secret that is missing. A file that was named is the operator's to make, once, for
    /// all replicas.
    pub fn makes_secret(&self) -> bool {
        self.secret_key_file.is_none()
    }
}

fn database_url(text: &str) -> Result<SecretUrl, String> {
    let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) else {
        return Err("must start with postgres:// (leave it unset for SQLite)".into());
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.matches('@').count() > 1 || rest.contains('#') {
        return Err("must have @, / and # in the password written as %40, %2F and %23".into());
    }
    let asks_for_tls = ["require", "verify-ca", "verify-full"];
    if !cfg!(feature = "postgres-tls")
        && asks_for_tls.iter().any(|mode| rest.contains(&format!("sslmode={mode}")))
    {
        return Err("asks for TLS, which needs a build with `--features postgres-tls`: see the README".into());
    }
    Ok(SecretUrl(text.into()))
}

fn redis_url(text: &str) -> Result<SecretUrl, String> {
    Server::parse(text, &NO_CERTIFICATES).map(|_| SecretUrl(text.into()))
}

/// Reads a file, as secrets come in: the value is its only line.
fn in_file(
    parse: fn(&str) -> Result<SecretUrl, String>,
) -> impl Fn(&str) -> Result<SecretUrl, String> + Clone {
    move |file| {
        let text = fs::read_to_string(file).map_err(|why| format!("cannot be read: {why}"))?;
        parse(text.trim()).map_err(|why| format!("holds a URL that {why}"))
    }
}
