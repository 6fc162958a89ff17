//! Where Redis is: one server, a cluster, or the master that Sentinels name.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, InfoDict,
    IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::{ClusterClient, ClusterConfig},
    cluster_async::ClusterConnection,
    cmd,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

/// Whom to trust, and as whom to appear, where the connection is encrypted. The system's authorities unless one is named.
pub use redis::{ClientTlsConfig as ClientCertificate, TlsCertificates as Certificates};

/// Those of the system, and none.
pub const NO_CERTIFICATES: Certificates = Certificates { client_tls: None, root_cert: None };

/// The kinds of URL. Each also with `rediss` in the place of `redis`, which is TLS.
const SINGLE: &str = "redis";
const CLUSTER: &str = "redis-cluster";
const SENTINEL: &str = "redis-sentinel";

/// How to open a connection.
#[expect(clippy::large_enum_variant, reason = "there are three in a process")]
#[derive(Clone)]
pub enum Server {
    Single(Client),
    Cluster(ClusterClient),
    /// One asks at a time: the library remembers which of them answered.
    Sentinel(Arc<Mutex<SentinelClient>>),
}

/// An open connection. That of a cluster is one to each of its masters.
#[derive(Clone)]
pub enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Server {
    /// Reads a URL: `redis://:password@host:port/number`, `redis-cluster://:password@host:port,host:port`, or
    /// `redis-sentinel://:password@host:port,host:port/name-of-the-master/number`.
    ///
    /// # Errors
    /// One line that says what is wrong with it, and does not quote it.
    pub fn parse(url: &str, certificates: &Certificates) -> Result<Self, String> {
        let unreadable = || "must be a URL such as redis://host:6379/".to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(unreadable)?;
        let (is_tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, format!("{SINGLE}{kind}")),
            None => (false, scheme.to_owned()),
        };
        if rest.contains("protocol=") {
            // A connection that is mended unseen could be to a Redis with old data.
            return Err("must not choose a protocol".into());
        }
        let url = MultiUrl::parse(rest, if is_tls { "rediss" } else { SINGLE });
        let built = match kind.as_str() {
            SINGLE if url.hosts.len() > 1 => {
                return Err("names several hosts: start it with redis-cluster:// or redis-sentinel://".into());
            }
            SINGLE => single(&url, certificates),
            CLUSTER => cluster(&url, certificates),
            SENTINEL if url.path.is_empty() => {
                return Err("must name the master, as redis-sentinel://host:26379/NAME".into());
            }
            SENTINEL => sentinel(&url, certificates),
            _ => return Err(unreadable()),
        };
        // The reason is not passed on: it may quote the password.
        built.map_err(|_| unreadable())
    }

    /// Opens a connection, of which each answer may take this long.
    pub async fn connect(&self, connecting: Duration, answering: Duration) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connecting))
            .set_response_timeout(Some(answering));
        match self {
            Self::Single(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Self::Cluster(client) => {
                let config =
                    ClusterConfig::new().set_connection_timeout(connecting).set_response_timeout(answering);
                client.get_async_connection_with_config(config).await.map(Connection::Cluster)
            }
            Self::Sentinel(sentinels) => {
                let mut sentinels = sentinels.lock().await;
                sentinels.get_async_connection_with_config(&config).await.map(Connection::Server)
            }
        }
    }
}

/// Whether the connection leads anywhere. A refusal is an answer, too.
pub async fn ping(mut connection: Connection) -> RedisResult<()> {
    let answer = cmd("PING").exec_async(&mut connection).await;
    answer.or_else(|why| if why.code().is_some() { Ok(()) } else { Err(why) })
}

/// What tells the server from any other, and from itself after a restart.
///
/// # Errors
/// Also if the server does not say.
pub async fn run_id(mut connection: Connection) -> RedisResult<String> {
    let info: InfoDict = cmd("INFO").arg("server").query_async(&mut connection).await?;
    info.get("run_id").ok_or_else(|| (ErrorKind::UnexpectedReturnType, "a server without run_id").into())
}

/// A URL that may name several hosts, which is more than the library's own parser takes.
struct MultiUrl<'a> {
    scheme: &'static str,
    /// User and password, with the `@` after them.
    credentials: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    query: &'a str,
}

impl<'a> MultiUrl<'a> {
    fn parse(rest: &'a str, scheme: &'static str) -> Self {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let end_of_credentials = rest.rfind('@').map_or(0, |at| at + 1);
        let (credentials, rest) = rest.split_at(end_of_credentials);
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self { scheme, credentials, hosts: hosts.split(',').collect(), path, query }
    }

    /// What the library makes of one of the hosts.
    fn each(&self, path: &str) -> RedisResult<Vec<ConnectionInfo>> {
        let url = |host| format!("{}://{}{host}/{path}", self.scheme, self.credentials);
        self.hosts.iter().map(|host| url(host).into_connection_info()).collect()
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

fn single(url: &MultiUrl, certificates: &Certificates) -> RedisResult<Server> {
    let first = url.each(url.path)?.remove(0);
    let is_tls = matches!(first.addr(), ConnectionAddr::TcpTls { .. });
    let client =
        if is_tls { Client::build_with_tls(first, certificates.clone()) } else { Client::open(first) };
    client.map(Server::Single)
}

fn cluster(url: &MultiUrl, certificates: &Certificates) -> RedisResult<Server> {
    // Nothing is tried again unseen: what is asked next could be a replica that took over, and lacks the newest.
    let mut builder = ClusterClient::builder(url.each(url.path)?).retries(0);
    if url.scheme != SINGLE {
        builder = builder.certs(certificates.clone());
    }
    builder.build().map(Server::Cluster)
}

/// The credentials are those of Redis. Sentinels have others, or none: `sentinel_username`, `sentinel_password`.
fn sentinel(url: &MultiUrl, certificates: &Certificates) -> RedisResult<Server> {
    let (master, number) = url.path.split_once('/').unwrap_or((url.path, ""));
    let infos = url.each(number)?;
    let first = infos[0].clone();
    let sentinels = infos.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
        .set_client_to_redis_db(first.redis_settings().db());
    if let Some(username) = first.redis_settings().username() {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = first.redis_settings().password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(username) = url.parameter("sentinel_username") {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = url.parameter("sentinel_password") {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if url.scheme != SINGLE {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates.clone());
    }
    Ok(Server::Sentinel(Arc::new(Mutex::new(builder.build()?))))
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
