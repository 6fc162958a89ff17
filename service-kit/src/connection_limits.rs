//! Limits for clients, which keep slow or many connections from exhausting a service.
//!
//! | what | limit | set by |
//! |---|---|---|
//! | connections at once | `MAX_CONNECTIONS` | [`ConnectionLimits`] |
//! | head of a connection's first request | 5 seconds, then 408 | actix-web's default |
//! | idle connection between two requests | 5 seconds, then closed | actix-web's default |
//! | body of a request | 10 seconds, then 408 | the routes of auth-service that read a body |

use std::{num::NonZeroUsize, thread::available_parallelism};

use clap::Args;

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
}

impl ConnectionLimits {
    /// Returns the share of each worker if `workers` serve requests. `None`: one for each core.
    pub fn connections_per_worker(self, workers: Option<u16>) -> usize {
        let cores = || available_parallelism().map_or(1, NonZeroUsize::get);
        (self.max_connections as usize).div_ceil(workers.map_or_else(cores, usize::from))
    }
}
