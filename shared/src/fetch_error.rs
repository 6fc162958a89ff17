//! [`FetchError`]: why the issuer's keys or revocations are not available.

use std::{error::Error, fmt, io, time::Duration};

/// Error of the last request to the issuer. The text names no address, so that a public health
/// check can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// No request has ended yet.
    NotFetchedYet,
    /// No server listens at the address.
    ConnectionRefused,
    /// The host name does not resolve.
    UnknownHost,
    /// The connection failed for another reason, or was not established in time.
    ConnectFailed,
    /// The issuer did not respond within this time.
    Timeout(Duration),
    /// The issuer responded with this unexpected HTTP status.
    Status(u16),
    /// The issuer closed the connection, or the connection broke.
    ConnectionLost,
    /// The issuer sent no data for this time.
    Silent(Duration),
    /// The metadata belongs to another issuer (RFC 8414 section 3.3).
    IssuerMismatch,
    /// The response cannot be parsed, is too large, or has no usable key.
    InvalidResponse,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFetchedYet => f.write_str("not fetched yet"),
            Self::ConnectionRefused => f.write_str("connection refused"),
            Self::UnknownHost => f.write_str("unknown host"),
            Self::ConnectFailed => f.write_str("connection failed"),
            Self::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Status(status) => write!(f, "unexpected status {status}"),
            Self::ConnectionLost => f.write_str("connection lost"),
            Self::Silent(silence) => write!(f, "no data for {} s", silence.as_secs()),
            Self::IssuerMismatch => f.write_str("metadata of another issuer"),
            Self::InvalidResponse => f.write_str("invalid response"),
        }
    }
}

impl Error for FetchError {}

/// Why a request to the issuer failed, or a connection to it ended.
#[derive(Clone, Debug)]
pub(crate) struct FetchFailure {
    pub(crate) error: FetchError,
    /// Details for the log.
    pub(crate) details: String,
}

impl From<FetchError> for FetchFailure {
    fn from(error: FetchError) -> Self {
        Self { error, details: error.to_string() }
    }
}

impl FetchError {
    /// Returns the error for a request that had `limit` as its timeout.
    pub(crate) fn from_reqwest(error: &reqwest::Error, limit: Duration) -> Self {
        let mut cause: Option<&dyn Error> = Some(error);
        while let Some(this) = cause {
            match this.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::ConnectionRefused,
                // The type of a resolver's error is private to hyper-util.
                _ if this.to_string().starts_with("dns error") => return Self::UnknownHost,
                _ => cause = this.source(),
            }
        }
        match error {
            _ if error.is_connect() => Self::ConnectFailed,
            _ if error.is_timeout() => Self::Timeout(limit),
            _ => Self::ConnectionLost,
        }
    }
}
