//! Limits that keep slow clients, or many of them, from exhausting a service.
//!
//! | what | limit | set by |
//! |---|---|---|
//! | connections at once | `MAX_CONNECTIONS` | [`ConnectionLimits`] |
//! | idle connection between two requests | `KEEP_ALIVE`, then closed | [`ConnectionLimits`] |
//! | head of a request | 5 seconds, then 408, or closed if it is not the first of a connection | actix-web, and the module `connection` |
//! | body of a request | 10 seconds, then 408 | the routes of auth-service that read a body |
//! | response that the client does not read | 10 seconds, then closed | the module `connection` |
//! | sent data that the client does not acknowledge | 30 seconds, then closed | the listening socket |

use std::{num::NonZeroUsize, thread::available_parallelism, time::Duration};

use clap::Args;

use crate::settings::positive_seconds;

/// Limits for clients.
#[derive(Args, Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Maximum number of connections that are served at once. Further connections wait until one
    /// is closed
    #[arg(
        long,
        env = "MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value = "20000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_connections: u32,

    /// Time after which an idle connection is closed, in seconds: longer than the proxies in front
    /// keep idle connections, because a proxy may send a request while the connection closes
    #[arg(
        long,
        env = "KEEP_ALIVE",
        value_name = "SECONDS",
        default_value = "75",
        value_parser = positive_seconds
    )]
    pub keep_alive: Duration,
}

/// Returns the number of cores that this process may use.
pub fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

impl ConnectionLimits {
    /// Returns the maximum number of connections of each of `workers` workers.
    pub fn connections_per_worker(self, workers: usize) -> usize {
        (self.max_connections as usize).div_ceil(workers)
    }
}
