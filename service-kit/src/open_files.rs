//! Maximum number of files that the process may have open. Each connection is an open file.

use crate::connection_limits::ConnectionLimits;

/// Number of files that a service needs besides its clients' connections: connections to stores and
/// other services, log, libraries. More than any deployment uses.
const OTHER_FILES: u64 = 200;

/// Returns the number of files that a service may have open, after raising it as far as the system
/// allows. `None` on systems other than Linux.
///
/// The soft limit of most systems is 1024, for programs that use `select(2)`. The hard limit is what
/// the operator allows.
#[cfg(target_os = "linux")]
pub fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => Some(maximum.unwrap_or(u64::MAX)),
        Err(error) => {
            log::debug!("the limit of open files cannot be raised: {error}");
            Some(current.unwrap_or(u64::MAX))
        }
    }
}

/// Returns `None`: only Linux has the number.
#[cfg(not(target_os = "linux"))]
pub fn raise_limit() -> Option<u64> {
    None
}

/// Limits connections to what `limit` open files allow.
pub fn fit(limit: u64, connections: &mut ConnectionLimits) {
    let fitting = limit.saturating_sub(OTHER_FILES).max(1);
    let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
    connections.max_connections = connections.max_connections.min(fitting);
}

/// Returns a line about a limit of open files that is lower than MAX_CONNECTIONS. `None` if it is
/// not.
pub fn shortage(limit: u64, connections: ConnectionLimits) -> Option<String> {
    let max_connections = connections.max_connections;
    (limit < u64::from(max_connections)).then(|| {
        format!(
            "MAX_CONNECTIONS is {max_connections}, and the process may open only {limit} files: \
             further connections wait"
        )
    })
}
