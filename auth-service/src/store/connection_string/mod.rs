//! The address of a PostgreSQL database, in both forms that libpq accepts: a URI, and
//! `keyword=value` pairs (PostgreSQL documentation, "Connection Strings").

mod parse;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write};

use self::parse::{pairs, starts_with_keyword, uri_parameters};
use crate::domain::percent::shown_name;

/// The parameters that libpq knows.
const KEYWORDS: [&str; 50] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Values that need TLS, which a build without the feature `postgres-tls` lacks.
const NEEDS_TLS: [(&str, &str); 5] = [
    ("sslmode", "require"),
    ("sslmode", "verify-ca"),
    ("sslmode", "verify-full"),
    ("sslnegotiation", "direct"),
    ("channel_binding", "require"),
];

/// Parameters of a connection to PostgreSQL, which may contain a password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString(Vec<(String, String)>);

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionString(redacted)")
    }
}

impl ConnectionString {
    /// Parses a URI or `keyword=value` pairs. Like libpq, but a password in a URI may also contain
    /// a bare `@`.
    ///
    /// # Errors
    /// One line that states what is wrong, and quotes no value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let parsed = match rest {
            Some(rest) => Self(uri_parameters(rest)?),
            None if starts_with_keyword(text) => Self(pairs(text)?),
            None => {
                return Err("must start with postgres://, or consist of pairs such as host=db \
                            user=auth (leave it unset for SQLite)"
                    .into());
            }
        };
        parsed.check()?;
        Ok(parsed)
    }

    /// Returns a parameter. Of several with the same name, the last counts.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns these parameters with another value of one of them.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut parameters = self.0.clone();
        parameters.push((name.to_owned(), value.to_owned()));
        Self(parameters)
    }

    /// Returns these parameters with a value of one of them, unless it has a value.
    pub fn with_default(&self, name: &str, value: &str) -> Self {
        if self.get(name).is_some() { self.clone() } else { self.with(name, value) }
    }

    /// Returns the text that libpq parses.
    pub fn to_libpq(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            let value = value.replace('\\', r"\\").replace('\'', r"\'");
            let _ = write!(text, "{name}='{value}' ");
        }
        text
    }

    fn check(&self) -> Result<(), String> {
        for (name, value) in &self.0 {
            if !KEYWORDS.contains(&name.as_str()) {
                let shown = shown_name(name);
                return Err(format!(
                    "has a parameter that PostgreSQL's libpq does not know: {shown}"
                ));
            }
            if value.contains('\0') {
                return Err(format!("has a zero byte in {name}"));
            }
            if !can_honour(name, value) {
                return Err(format!("has a parameter that this program cannot honour: {name}"));
            }
            let needs_tls = NEEDS_TLS.contains(&(name.as_str(), value.as_str()));
            if needs_tls && !cfg!(feature = "postgres-tls") {
                return Err(format!(
                    "requires TLS ({name}), and this program was built without \
                     `--features postgres-tls`"
                ));
            }
        }
        Ok(())
    }
}

/// Returns whether a connection of this program can have this parameter.
fn can_honour(name: &str, value: &str) -> bool {
    match name {
        // Connections for replication run no queries.
        "replication" => matches!(value, "" | "false" | "off" | "no" | "0"),
        // Every connection uses UTF-8.
        "client_encoding" => matches!(value.to_lowercase().as_str(), "" | "utf8" | "utf-8"),
        // libpq is compiled in, without Kerberos and OAuth.
        "gssencmode" => value != "require",
        "gssdelegation" => value != "1",
        "oauth_issuer" | "oauth_client_id" | "oauth_client_secret" | "oauth_scope" => {
            value.is_empty()
        }
        _ => true,
    }
}
