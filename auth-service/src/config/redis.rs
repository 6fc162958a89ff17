//! Settings of Redis.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use service_kit::{CommandError, settings::positive_seconds};
use shared::revocations::OutagePolicy;

use super::secret_url::{SecretUrl, UrlFile, in_file};
use crate::redis::{Certificates, ClientCertificate, NO_CERTIFICATES, Server};

/// Settings of Redis.
#[derive(Args, Clone, Debug)]
pub struct RedisSettings {
    /// URL of Redis: redis://:password@host:port/number, redis+unix:///path/of/the/socket,
    /// redis-cluster://host:port,host:port, or redis-sentinel://host:port,host:port/master. With
    /// rediss in place of redis: TLS. Unset: the blacklist is embedded, in the SQLite file
    #[arg(
        id = "redis_url",
        long = "redis-url",
        env = "REDIS_URL",
        value_name = "URL",
        group = "redis",
        hide_env_values = true,
        value_parser = redis_url
    )]
    pub url: Option<SecretUrl>,

    /// File that contains REDIS_URL
    #[arg(
        id = "redis_url_file",
        long = "redis-url-file",
        env = "REDIS_URL_FILE",
        value_name = "FILE",
        group = "redis",
        value_parser = in_file(redis_url)
    )]
    pub url_in_file: Option<UrlFile>,

    /// File with the certificate of the authority that must have signed Redis' certificate (PEM).
    /// Unset: any authority that this system trusts
    #[arg(
        id = "redis_ca_file",
        long = "redis-ca-file",
        env = "REDIS_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,

    /// File with the client certificate to present to Redis (PEM)
    #[arg(
        id = "redis_cert_file",
        long = "redis-cert-file",
        env = "REDIS_CERT_FILE",
        value_name = "FILE"
    )]
    pub cert_file: Option<PathBuf>,

    /// File with the private key of the client certificate (PEM)
    #[arg(
        id = "redis_key_file",
        long = "redis-key-file",
        env = "REDIS_KEY_FILE",
        value_name = "FILE"
    )]
    pub key_file: Option<PathBuf>,

    /// Prefix of the names of all keys in Redis
    #[arg(
        id = "redis_key_prefix",
        long = "redis-key-prefix",
        env = "REDIS_KEY_PREFIX",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub key_prefix: String,

    /// Maximum time that a request waits for Redis before it is answered 503, in seconds
    #[arg(
        id = "redis_timeout",
        long = "redis-timeout",
        env = "REDIS_TIMEOUT",
        value_name = "SECONDS",
        default_value = "1",
        value_parser = positive_seconds
    )]
    pub timeout: Duration,

    /// How auth-service treats access tokens while Redis is unreachable: accepted until_expiry,
    /// accepted for bounded:SECONDS, or refused (closed). Refreshes are answered 503 in each case
    #[arg(
        id = "redis_outage",
        long = "redis-outage",
        env = "REDIS_OUTAGE",
        value_name = "POLICY",
        default_value = "until_expiry"
    )]
    pub outage_policy: OutagePolicy,
}

impl RedisSettings {
    /// Returns the URL of Redis. `None`: the session state is embedded.
    pub fn url(&self) -> Option<&SecretUrl> {
        self.url.as_ref().or_else(|| self.url_in_file.as_ref().map(|file| &file.url))
    }

    /// Returns the file that the URL was read from.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.url_in_file.as_ref().map(|file| file.file.clone())
    }

    /// Returns how to reach Redis. `None`: the session state is embedded.
    ///
    /// # Errors
    /// One line that names the certificate file that cannot be used.
    pub(crate) fn server(&self) -> Result<Option<Server>, CommandError> {
        let Some(url) = self.url() else { return Ok(None) };
        let certificates = self.certificates()?;
        let server = Server::parse(url.reveal(), &certificates).map_err(|why| {
            CommandError::new(format!(
                "REDIS_URL {why}; REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE must be PEM"
            ))
        })?;
        Ok(Some(server))
    }

    fn certificates(&self) -> Result<Certificates, CommandError> {
        let root_cert = self.ca_file.as_deref().map(|file| read(file, "REDIS_CA_FILE"));
        let root_cert = root_cert.transpose()?;
        if root_cert.as_ref().is_some_and(|text| !contains_certificate(text)) {
            return Err(CommandError::new("REDIS_CA_FILE contains no certificate in PEM"));
        }
        let client_tls = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some(ClientCertificate {
                client_cert: read(cert, "REDIS_CERT_FILE")?,
                client_key: read(key, "REDIS_KEY_FILE")?,
            }),
            _ => None,
        };
        Ok(Certificates { client_tls, root_cert })
    }
}

fn read(file: &Path, setting: &str) -> Result<Vec<u8>, CommandError> {
    fs::read(file).map_err(|why| {
        CommandError::new(format!("cannot read {} ({setting}): {why}", file.display()))
    })
}

fn contains_certificate(text: &[u8]) -> bool {
    let pems = pem::parse_many(text).unwrap_or_default();
    pems.iter().any(|pem| pem.tag() == "CERTIFICATE")
}

fn redis_url(text: &str) -> Result<SecretUrl, String> {
    Server::parse(text, &NO_CERTIFICATES).map(|_| SecretUrl::new(text))
}
