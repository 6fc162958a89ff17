//! URLs that name several hosts, which the library's parser does not accept.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisResult};

/// A URL that may name several hosts.
pub struct MultiUrl<'a> {
    scheme: &'static str,
    /// User and password, with the `@` after them.
    credentials: &'a str,
    pub hosts: Vec<&'a str>,
    pub path: &'a str,
    query: &'a str,
}

impl<'a> MultiUrl<'a> {
    /// Parses the part of a URL after `://`. The library's scheme for each host is `redis` or,
    /// with TLS, `rediss`.
    pub fn parse(rest: &'a str, is_tls: bool) -> Self {
        let scheme = if is_tls { "rediss" } else { "redis" };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let end_of_credentials = rest.rfind('@').map_or(0, |at| at + 1);
        let (credentials, rest) = rest.split_at(end_of_credentials);
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self { scheme, credentials, hosts: hosts.split(',').collect(), path, query }
    }

    pub fn is_tls(&self) -> bool {
        self.scheme == "rediss"
    }

    /// Returns how to connect to each of the hosts, with the given path.
    pub fn connection_infos(&self, path: &str) -> RedisResult<Vec<ConnectionInfo>> {
        let url = |host| format!("{}://{}{host}/{path}", self.scheme, self.credentials);
        self.hosts.iter().map(|host| url(host).into_connection_info()).collect()
    }

    /// Returns a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}
