//! The services and settings that the use cases of sessions take.

use std::{sync::Arc, time::Duration};

use shared::{clock::Clock, revocations::OutagePolicy};

use super::{marked_claims::MarkedClaims, pending_writes::PendingWrites, sync_state::SyncState};
use crate::{
    jobs::cleanup::Cleanup, metrics::Metrics, revocation_feed::RevocationFeed,
    session_state::SessionState, store::Store, tokens::Tokens,
};

/// Settings of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// Grace period in which a rotated refresh token is still answered.
    pub refresh_grace: Duration,
    /// Maximum time that a request waits until session state is in sync.
    pub sync_timeout: Duration,
    /// Tolerated difference between two clocks.
    pub leeway: Duration,
    /// Lifetime of an access token.
    pub access_token_lifetime: Duration,
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
    pub(super) grace: Duration,
    pub(super) sync_timeout: Duration,
    pub(super) leeway_ms: i64,
    pub(super) access_token_lifetime_ms: i64,
    pub(super) outage_policy: OutagePolicy,
    pub(super) sync: SyncState,
    pub(super) pending_writes: PendingWrites,
    pub(super) marked_claims: MarkedClaims,
}

impl Sessions {
    pub fn new(services: SessionServices, settings: SessionSettings) -> Self {
        let SessionServices { store, session_state, revocations, tokens, metrics, clock, cleanup } =
            services;
        Self {
            store,
            session_state,
            revocations,
            tokens,
            metrics,
            clock,
            cleanup,
            grace: settings.refresh_grace,
            sync_timeout: settings.sync_timeout,
            leeway_ms: settings.leeway.as_millis() as i64,
            access_token_lifetime_ms: settings.access_token_lifetime.as_millis() as i64,
            outage_policy: settings.outage_policy,
            sync: SyncState::new(),
            pending_writes: PendingWrites::default(),
            marked_claims: MarkedClaims::default(),
        }
    }

    /// Returns the time at which a token that expires at `expiry_ms` has expired by the clock of
    /// every other service.
    pub(super) fn with_leeway(&self, expiry_ms: i64) -> i64 {
        expiry_ms + self.leeway_ms
    }
}
