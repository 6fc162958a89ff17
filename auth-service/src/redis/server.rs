//! Where Redis is: one server, a cluster, or the master that Sentinels name.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, RedisResult, TlsMode,
    cluster::{ClusterClient, ClusterConfig},
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

use super::{
    connection::Connection,
    url::{MultiUrl, allow_parameters},
};

/// The authority to trust, and the client certificate to present, on connections with TLS.
/// Without a named authority, the system's authorities are trusted.
pub use redis::{ClientTlsConfig as ClientCertificate, TlsCertificates as Certificates};

/// The system's authorities, and no client certificate.
pub const NO_CERTIFICATES: Certificates = Certificates { client_tls: None, root_cert: None };

/// Schemes of URLs. With `rediss` in place of `redis`, the connection uses TLS.
const SINGLE: &str = "redis";
const UNIX: [&str; 2] = ["redis+unix", "unix"];
const CLUSTER: &str = "redis-cluster";
const SENTINEL: &str = "redis-sentinel";

/// How to open a connection.
#[expect(clippy::large_enum_variant, reason = "a process has three values of this type")]
#[derive(Clone)]
pub enum Server {
    Single(Client),
    Cluster(ClusterClient),
    /// One caller at a time: the library remembers which Sentinels answered.
    Sentinel(Arc<Mutex<SentinelClient>>),
}

impl Server {
    /// Parses a URL:
    ///
    /// - `redis://:password@host:port/number`
    /// - `redis+unix:///path/of/the/socket?db=number`
    /// - `redis-cluster://:password@host:port,host:port`
    /// - `redis-sentinel://:password@host:port,host:port/name-of-the-master/number`
    ///
    /// # Errors
    /// One line that states what is wrong with the URL, and does not quote it.
    pub fn parse(url: &str, certificates: &Certificates) -> Result<Self, String> {
        let invalid = || "must be a URL such as redis://host:6379/".to_owned();
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
        let scheme = scheme.to_ascii_lowercase();
        let (is_tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, format!("{SINGLE}{kind}")),
            None => (false, scheme),
        };
        if UNIX.contains(&kind.as_str()) && !is_tls {
            return unix(rest)?.map_err(|_| invalid());
        }
        let mut url = MultiUrl::parse(rest, is_tls)?;
        let server = match kind.as_str() {
            SINGLE if url.hosts.len() > 1 => {
                let error =
                    "names several hosts: begin it with redis-cluster:// or redis-sentinel://";
                return Err(error.into());
            }
            SINGLE => {
                url.allow_parameters(&["db"])?;
                single(&mut url, certificates)
            }
            CLUSTER => {
                url.allow_parameters(&["db"])?;
                cluster(&url, certificates)
            }
            SENTINEL if url.path.is_empty() => {
                return Err("must name the master, as redis-sentinel://host:26379/NAME".into());
            }
            SENTINEL => {
                url.allow_parameters(&["db", "sentinel_username", "sentinel_password"])?;
                sentinel(&url, certificates)
            }
            _ => return Err(invalid()),
        };
        // The library's error may quote the password.
        server.map_err(|_| invalid())
    }

    /// Opens a connection, within `connecting`. Each answer may take `answering`.
    pub async fn connect(
        &self,
        connecting: Duration,
        answering: Duration,
    ) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connecting))
            .set_response_timeout(Some(answering));
        match self {
            Self::Single(client) => client
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .map(Connection::Server),
            Self::Cluster(client) => {
                let config = ClusterConfig::new()
                    .set_connection_timeout(connecting)
                    .set_response_timeout(answering);
                client.get_async_connection_with_config(config).await.map(Connection::Cluster)
            }
            Self::Sentinel(sentinels) => {
                let mut sentinels = sentinels.lock().await;
                sentinels.get_async_connection_with_config(&config).await.map(Connection::Server)
            }
        }
    }
}

/// Returns the server behind a Unix socket.
fn unix(rest: &str) -> Result<RedisResult<Server>, String> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    allow_parameters(query, &["db", "user", "pass"])?;
    Ok(Client::open(format!("redis+unix://{path}?{query}")).map(Server::Single))
}

fn single(url: &mut MultiUrl, certificates: &Certificates) -> RedisResult<Server> {
    // As redis-cli does.
    if url.hosts[0].is_empty() || url.hosts[0].starts_with(':') {
        url.hosts[0].insert_str(0, "127.0.0.1");
    }
    let info = url.connection_infos(&url.path)?.remove(0);
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let client = if is_tls {
        Client::build_with_tls(info, certificates.clone())
    } else {
        Client::open(info)
    };
    client.map(Server::Single)
}

fn cluster(url: &MultiUrl, certificates: &Certificates) -> RedisResult<Server> {
    // No retries: the library could retry at a Redis replica that took over and lacks the newest
    // writes.
    let mut builder = ClusterClient::builder(url.connection_infos(&url.path)?).retries(0);
    if url.is_tls() {
        builder = builder.certs(certificates.clone());
    }
    builder.build().map(Server::Cluster)
}

/// Returns the master that Sentinels name. The credentials in the URL are the master's. The
/// parameters `sentinel_username` and `sentinel_password` are the Sentinels' credentials, if any.
fn sentinel(url: &MultiUrl, certificates: &Certificates) -> RedisResult<Server> {
    let (master, number) = url.path.split_once('/').unwrap_or((&url.path, ""));
    let infos = url.connection_infos(number)?;
    let settings = infos[0].redis_settings();
    let sentinels = infos.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
        .set_client_to_redis_db(settings.db());
    if let Some(username) = settings.username() {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(username) = url.parameter("sentinel_username") {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = url.parameter("sentinel_password") {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if url.is_tls() {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates.clone());
    }
    Ok(Server::Sentinel(Arc::new(Mutex::new(builder.build()?))))
}
