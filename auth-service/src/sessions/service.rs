//! The services and settings that the use cases of sessions take.

use std::{sync::Arc, time::Duration};

use service_kit::settings::MAX_LEEWAY;
use shared::{clock::Clock, revocations::OutagePolicy};

use super::{
    evictions::EvictionWatch, last_checks::LastChecks, marked_claims::MarkedClaims,
    pending_writes::PendingWrites, sync_state::SyncState,
};
use crate::{
    domain::{refresh_decision::Rotation, token_lifetime::LongestLifetime},
    jobs::cleanup::Cleanup,
    metrics::Metrics,
    revocation_feed::RevocationFeed,
    session_state::SessionState,
    store::Store,
    tokens::Tokens,
};

/// Settings of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// Maximum number of live sessions of a user.
    pub max_per_user: u32,
    /// Grace period in which a rotated refresh token is still answered.
    pub refresh_grace: Duration,
    /// Whether a refresh replaces the refresh token.
    pub rotation: Rotation,
    /// Maximum time that a request waits until session state is in sync.
    pub sync_timeout: Duration,
    /// How access tokens are treated while session state is unreachable.
    pub outage_policy: OutagePolicy,
}

/// The services that sessions take.
pub struct SessionServices {
    pub store: Store,
    pub session_state: SessionState,
    pub revocations: Arc<RevocationFeed>,
    pub tokens: Arc<Tokens>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub cleanup: Cleanup,
    pub token_lifetime: LongestLifetime,
}

/// Begins, refreshes, checks and ends sessions.
pub struct Sessions {
    pub(super) store: Store,
    pub(super) session_state: SessionState,
    pub(super) revocations: Arc<RevocationFeed>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) cleanup: Cleanup,
    pub(super) max_per_user: u32,
    pub(super) grace: Duration,
    pub(super) rotation: Rotation,
    pub(super) sync_timeout: Duration,
    pub(super) token_lifetime: LongestLifetime,
    pub(super) outage_policy: OutagePolicy,
    pub(super) sync: SyncState,
    pub(super) pending_writes: PendingWrites,
    pub(super) marked_claims: MarkedClaims,
    pub(super) evictions: EvictionWatch,
    pub(super) last_checks: LastChecks,
}

impl Sessions {
    pub fn new(services: SessionServices, settings: SessionSettings) -> Self {
        let SessionServices {
            store,
            session_state,
            revocations,
            tokens,
            metrics,
            clock,
            cleanup,
            token_lifetime,
        } = services;
        Self {
            store,
            session_state,
            revocations,
            tokens,
            metrics,
            clock,
            cleanup,
            max_per_user: settings.max_per_user,
            grace: settings.refresh_grace,
            rotation: settings.rotation,
            sync_timeout: settings.sync_timeout,
            token_lifetime,
            outage_policy: settings.outage_policy,
            sync: SyncState::new(),
            pending_writes: PendingWrites::default(),
            marked_claims: MarkedClaims::default(),
            evictions: EvictionWatch::default(),
            last_checks: LastChecks::new(),
        }
    }
}

/// Greatest difference between two clocks that any value of the setting LEEWAY tolerates, in
/// milliseconds. A greater value of the setting must not revive a token of an ended session.
pub(super) const LEEWAY_MS: i64 = MAX_LEEWAY.as_millis() as i64;

/// Returns the time at which a token that expires at `expiry_ms` has expired by the clock of every
/// other service.
pub(super) fn with_leeway(expiry_ms: i64) -> i64 {
    expiry_ms + LEEWAY_MS
}
