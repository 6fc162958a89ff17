//! Why the issuer was not reached, for whoever is called out: in words that name no address.

use std::{error::Error, fmt, io, time::Duration};

/// Why there are no keys, or why revocations cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody has asked yet.
    NotFetchedYet,
    /// Nothing listens there.
    ConnectionRefused,
    /// Its name does not resolve.
    UnknownHost,
    /// There was no connection, in time or at all.
    ConnectFailed,
    /// It did not answer in time.
    Timeout(Duration),
    /// It answered with this status.
    Status(u16),
    /// It ended the answer, or the connection was lost.
    ConnectionLost,
    /// It said nothing for this long.
    Silent(Duration),
    /// It is another issuer's, or none.
    IssuerMismatch,
    /// What it says cannot be understood, or holds no key that can be used.
    InvalidResponse,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFetchedYet => f.write_str("not asked for yet"),
            Self::ConnectionRefused => f.write_str("connection refused"),
            Self::UnknownHost => f.write_str("its host is not known"),
            Self::ConnectFailed => f.write_str("no connection"),
            Self::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::ConnectionLost => f.write_str("the connection was lost"),
            Self::Silent(silence) => write!(f, "it said nothing for {} s", silence.as_secs()),
            Self::IssuerMismatch => f.write_str("it is another issuer's"),
            Self::InvalidResponse => f.write_str("what it says cannot be understood"),
        }
    }
}

impl FetchError {
    /// What this error means, of a request that was given up after `limit`.
    pub(crate) fn of(error: &reqwest::Error, limit: Duration) -> Self {
        let mut cause: Option<&dyn Error> = Some(error);
        while let Some(this) = cause {
            match this.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::ConnectionRefused,
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
