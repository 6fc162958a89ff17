//! URLs of Redis. Like redis-cli, and in contrast to the library, a password may contain any
//! character, and stand alone before the `@`. A URL may name several hosts.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisResult};

use crate::domain::percent::{percent_decoded, percent_encoded, shown_name};

/// A URL that may name several hosts.
pub struct MultiUrl {
    scheme: &'static str,
    /// User and password in a form that the library accepts, with the `@` after them.
    credentials: String,
    pub hosts: Vec<String>,
    pub path: String,
    parameters: Vec<(String, String)>,
}

impl MultiUrl {
    /// Parses the part of a URL after `://`. The library's scheme for each host is `redis` or,
    /// with TLS, `rediss`.
    ///
    /// # Errors
    /// One line that states what is wrong with the URL, and quotes no value.
    pub fn parse(rest: &str, is_tls: bool) -> Result<Self, String> {
        let scheme = if is_tls { "rediss" } else { "redis" };
        let (credentials, rest) = split_credentials(rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let parameters = parameters(query);
        let credentials = credentials.map_or_else(|| Ok(String::new()), encoded)?;
        let hosts = hosts.split(',').map(str::to_owned).collect();
        let mut url = Self { scheme, credentials, hosts, path: path.to_owned(), parameters };
        if url.path.is_empty() {
            url.path = url.parameter("db").unwrap_or_default();
        }
        Ok(url)
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
        let mut parameters = self.parameters.iter();
        parameters.find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// Checks that the query has no other parameters than these.
    ///
    /// # Errors
    /// One line that names another parameter.
    pub fn allow_parameters(&self, allowed: &[&str]) -> Result<(), String> {
        allow(&self.parameters, allowed)
    }
}

/// Checks that a query has no other parameters than these.
///
/// # Errors
/// One line that names another parameter.
pub fn allow_parameters(query: &str, allowed: &[&str]) -> Result<(), String> {
    allow(&parameters(query), allowed)
}

fn parameters(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn allow(parameters: &[(String, String)], allowed: &[&str]) -> Result<(), String> {
    match parameters.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
        None => Ok(()),
        // With RESP3 the library may reconnect without notice, to a Redis with old data.
        Some((name, _)) if name == "protocol" => Err("must not choose a protocol".into()),
        Some((name, _)) => {
            let shown = shown_name(name);
            Err(format!("has a parameter that this program cannot honour: {shown}"))
        }
    }
}

/// Splits user and password from the rest. Hosts contain no `@`, but a parameter may.
fn split_credentials(rest: &str) -> (Option<&str>, &str) {
    let before_query = rest.split('?').next().unwrap_or_default();
    // Without @ before it, the first ? is part of the password.
    let at = before_query.rfind('@').or_else(|| rest.rfind('@'));
    at.map_or((None, rest), |at| (Some(&rest[..at]), &rest[at + 1..]))
}

/// Returns credentials with every special character encoded. A word alone is a password.
fn encoded(credentials: &str) -> Result<String, String> {
    let (user, password) = credentials.split_once(':').unwrap_or(("", credentials));
    let user = percent_encoded(&percent_decoded(user)?);
    Ok(format!("{user}:{}@", percent_encoded(&percent_decoded(password)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_may_contain_any_character() {
        for (rest, user, password) in [
            ("h", None, None),
            (":p@h", None, Some("p")),
            ("p@h", None, Some("p")),
            ("u:p@h:1/2", Some("u"), Some("p")),
            ("u%40x:%2F%3a%23%25@h", Some("u@x"), Some("/:#%")),
            (":a/b?c#d@e:f@h/1", None, Some("a/b?c#d@e:f")),
            (":p@h?sentinel_password=a@b", None, Some("p")),
        ] {
            let url = MultiUrl::parse(rest, false).unwrap();
            let info = url.connection_infos(&url.path).unwrap().remove(0);
            let settings = info.redis_settings();
            assert_eq!((settings.username(), settings.password()), (user, password), "{rest}");
            assert!(info.addr().to_string().starts_with("h:"), "{rest}");
        }
        let error = MultiUrl::parse(":hunter2%@h", false).err().unwrap();
        assert_eq!(error, "has a % without two hexadecimal digits: write % as %25");
    }

    #[test]
    fn database_is_in_the_path_or_a_parameter() {
        for (rest, number) in [("h", 0), ("h/", 0), ("h/2", 2), ("h?db=3", 3), ("h/?db=4", 4)] {
            let url = MultiUrl::parse(rest, true).unwrap();
            let info = url.connection_infos(&url.path).unwrap().remove(0);
            assert_eq!(info.redis_settings().db(), number, "{rest}");
        }
    }

    #[test]
    fn unknown_parameter_is_named() {
        let url = MultiUrl::parse("h?db=1&ssl_cert_reqs=none", true).unwrap();
        let error = url.allow_parameters(&["db"]).unwrap_err();
        assert_eq!(error, "has a parameter that this program cannot honour: ssl_cert_reqs");
        assert_eq!(url.allow_parameters(&["db", "ssl_cert_reqs"]), Ok(()));
    }
}
