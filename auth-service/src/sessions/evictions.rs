//! Warns if Redis evicts entries of sessions. No revocation is lost then, because the database is
//! asked about a session without an entry. But Redis should keep what it is given: each evicted
//! entry costs the next request queries to the database.

use std::{
    fmt::{self, Display},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::session_state::Evictions;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Time after the last eviction for which the warning stays.
const WARNED_FOR: Duration = Duration::from_secs(600);

/// What Redis last reported about evictions.
#[derive(Debug, Default)]
pub struct EvictionWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    looked_at: Option<Instant>,
    servers: Vec<Evictions>,
    /// Time at which evicted keys were last noticed.
    evicted_at: Option<Instant>,
    is_policy_logged: bool,
    is_eviction_logged: bool,
}

/// A warning for an operator: Redis may evict entries, or has done so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvictionWarning {
    /// The setting `maxmemory-policy`, if it lets Redis evict keys.
    pub policy: Option<String>,
    /// Whether Redis has evicted keys in the last ten minutes.
    pub has_evicted: bool,
}

impl Display for EvictionWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("warning: ")?;
        if self.has_evicted {
            f.write_str("Redis has evicted keys")?;
        } else {
            f.write_str("Redis may evict keys")?;
        }
        match &self.policy {
            Some(policy) => write!(f, " (maxmemory-policy {policy})"),
            None => Ok(()),
        }
    }
}

impl EvictionWatch {
    /// Returns whether it is time to look again, and counts the look.
    pub(super) fn is_due(&self) -> bool {
        let mut watched = self.lock();
        let is_due = watched.looked_at.is_none_or(|at| at.elapsed() >= INTERVAL);
        if is_due {
            watched.looked_at = Some(Instant::now());
        }
        is_due
    }

    /// Records what Redis reports, and logs a change for the worse once.
    pub(super) fn record(&self, servers: Vec<Evictions>) {
        let mut watched = self.lock();
        let evicted: u64 = servers.iter().map(|now| newly_evicted(now, &watched.servers)).sum();
        if evicted > 0 {
            watched.evicted_at = Some(Instant::now());
        }
        watched.servers = servers;
        let Some(warning) = watched.warning() else {
            watched.is_policy_logged = false;
            watched.is_eviction_logged = false;
            return;
        };
        let is_logged = match warning.has_evicted {
            true => &mut watched.is_eviction_logged,
            false => &mut watched.is_policy_logged,
        };
        if !std::mem::replace(is_logged, true) {
            log::warn!(
                "{}: set maxmemory-policy to noeviction, and give Redis more memory",
                warning.to_string().trim_start_matches("warning: ")
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EvictionWatch {
    /// Returns a warning if Redis may evict entries of sessions, or has done so.
    pub(super) fn warning(&self) -> Option<EvictionWarning> {
        self.lock().warning()
    }

    /// Returns the number of keys that Redis has evicted, and whether it may evict keys.
    pub(super) fn evicted_keys(&self) -> (u64, bool) {
        let watched = self.lock();
        let evicted = watched.servers.iter().map(|server| server.evicted_keys).sum();
        (evicted, watched.servers.iter().any(|server| server.policy.is_some()))
    }
}

impl Watched {
    fn warning(&self) -> Option<EvictionWarning> {
        let policy = self.servers.iter().find_map(|server| server.policy.clone());
        let has_evicted = self.evicted_at.is_some_and(|at| at.elapsed() < WARNED_FOR);
        (policy.is_some() || has_evicted).then_some(EvictionWarning { policy, has_evicted })
    }
}

/// Returns how many keys a server has evicted since it was last looked at. What it evicted before
/// the first look may have been another application's.
fn newly_evicted(now: &Evictions, before: &[Evictions]) -> u64 {
    let before = before.iter().find(|before| before.run_id == now.run_id);
    before.map_or(0, |before| now.evicted_keys.saturating_sub(before.evicted_keys))
}
