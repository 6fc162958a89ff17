//! An open connection.

use redis::{
    Cmd, ErrorKind, InfoDict, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cmd,
};

/// An open connection. A connection to a cluster is one to each of its masters.
#[derive(Clone)]
pub enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
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

/// Checks that a connection still reaches its server. An error that the server sends counts as
/// an answer.
pub async fn ping(mut connection: Connection) -> RedisResult<()> {
    let answer = cmd("PING").exec_async(&mut connection).await;
    answer.or_else(|error| if error.code().is_some() { Ok(()) } else { Err(error) })
}

/// Returns the server's `run_id`, which differs from that of every other server and changes at
/// each restart.
///
/// # Errors
/// Also if the server does not report a `run_id`.
pub async fn run_id(mut connection: Connection) -> RedisResult<String> {
    let info: InfoDict = cmd("INFO").arg("server").query_async(&mut connection).await?;
    let missing = || (ErrorKind::UnexpectedReturnType, "the server reports no run_id").into();
    info.get("run_id").ok_or_else(missing)
}

/// Returns a field of the answer to `INFO`, or an empty string if the field is absent.
pub fn info_field<'a>(info: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    info.lines().find_map(value).unwrap_or_default()
}
