//! What a service lets its clients take. Head and body of a request must arrive within five seconds each, and a connection
//! that says nothing for as long is closed.

use std::{num::NonZeroUsize, thread::available_parallelism};

use clap::Args;

/// What a service lets its clients take.
#[derive(Args, Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// How many connections are served at once; further ones wait until one is closed
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "COUNT", default_value = "20000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
}

impl ConnectionLimits {
    /// How many connections each worker may serve, if there are this many; `None` is one a core.
    pub fn connections_per_worker(self, workers: Option<u16>) -> usize {
        let cores = || available_parallelism().map_or(1, NonZeroUsize::get);
        (self.max_connections as usize).div_ceil(workers.map_or_else(cores, usize::from))
    }
}
