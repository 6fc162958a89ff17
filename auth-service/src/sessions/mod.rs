//! Sessions: where the database, which is durable, and the session state, which is fast, meet.
//!
//! A revocation is written to the database first and to the session state second. While the session state may lack a revocation, because
//! it lost its data or was unreachable, no refresh is answered before the session state has been synced: see `sync`.
//!
//! | module | content |
//! |---|---|
//! | `refresh` | a client exchanges a refresh token for a new token pair |
//! | `end` | a session, or all of a user's, ends |
//! | `check` | whether a session has ended, whether a refresh token would be accepted |
//! | `sync` | the session state is known to hold every revocation, or is brought up to date |
//! | `maintenance` | background work: rebuild, repeat, delete |
//! | `write_behind` | what is written to the database later, in batches |
//! | `run_to_completion` | work that continues when its client disconnects |

mod check;
mod end;
mod maintenance;
mod refresh;
mod run_to_completion;
mod sync;
mod write_behind;

use std::{sync::Arc, time::Duration};

use shared::{claims::SessionId, clock::Clock, revocations::OutagePolicy};

pub use self::refresh::{RefreshError, Refreshed};
use self::{maintenance::MarkedClaims, sync::SyncState, write_behind::WriteBehind};
use crate::{
    audit_log,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        refresh_decision::TokenGeneration,
        session::Origin,
    },
    jobs::cleanup::Cleanup,
    metrics::Metrics,
    revocation_feed::RevocationFeed,
    session_state::SessionState,
    store::{
        Store, StoreError,
        sessions::{self as rows, NewSession, SessionDetails},
    },
    tokens::{Session, Tokens},
};

/// The generation of a login's own tokens.
pub const FIRST_GENERATION: TokenGeneration = TokenGeneration { generation: 0, rotated_at_ms: 0 };

/// Maximum number of sessions that a list shows.
const MAX_LISTED: i64 = 100;

/// What is set about sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// Grace period in which a rotated refresh token is still answered.
    pub refresh_grace: Duration,
    /// Maximum time that a request waits for the session state to be synced.
    pub sync_timeout: Duration,
    /// Maximum difference between two clocks.
    pub leeway: Duration,
    /// Lifetime of an access token.
    pub access_token_lifetime: Duration,
    /// How access tokens are treated while the session state cannot be read.
    pub outage_policy: OutagePolicy,
}

/// Begins, refreshes, checks and ends sessions.
pub struct Sessions {
    store: Store,
    session_state: SessionState,
    revocations: Arc<RevocationFeed>,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    clock: Clock,
    cleanup: Cleanup,
    grace: Duration,
    sync_timeout: Duration,
    leeway_ms: i64,
    access_token_lifetime_ms: i64,
    outage_policy: OutagePolicy,
    sync: SyncState,
    write_behind: WriteBehind,
    marked_claims: MarkedClaims,
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

impl Sessions {
    pub fn new(services: SessionServices, settings: SessionSettings) -> Self {
        let SessionServices { store, session_state, revocations, tokens, metrics, clock, cleanup } = services;
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
            write_behind: WriteBehind::default(),
            marked_claims: MarkedClaims::default(),
        }
    }

    /// Begins a session of a user whose credentials were verified at `user_revision`. Returns whether it began: it does not if the user
    /// has changed since.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn begin(
        &self,
        session: &Session,
        user_revision: i64,
        amr: &'static str,
        origin: Origin,
    ) -> Result<bool, StoreError> {
        let sid = session.sid;
        let record = AuditRecord::new(AuditEvent::Login, Initiator::user(origin), self.clock.now_ms());
        let record = record.user(&session.user.sub).session(sid);
        let new = NewSession {
            sid,
            user_id: session.user.sub.clone(),
            user_revision,
            amr,
            auth_time_ms: session.auth_time * 1000,
            ends_at_ms: session.ends_at * 1000,
        };
        let begin = move |connection: &mut _| {
            let began = rows::begin(connection, &new, &record)?;
            if began {
                audit_log::write(&record);
            }
            Ok(began)
        };
        self.store.run(begin).await
    }

    /// Returns the sessions of a user that have not ended, at most 100, the last used first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(&self, user_id: String) -> Result<Vec<SessionDetails>, StoreError> {
        let now = self.clock.now_ms();
        self.store.run(move |connection| rows::details(connection, &user_id, now, MAX_LISTED)).await
    }

    /// Records the use of a credential, which is written behind.
    pub fn note_credential_use(&self, id: String) {
        self.write_behind.note_credential_use(id);
    }

    /// Returns how long any token of a session may live after the session's end, by the clock of another service.
    fn until_with_leeway(&self, until_ms: i64) -> i64 {
        until_ms + self.leeway_ms
    }

    /// Returns the id and the present time, as the revocation feed publishes an end.
    fn ended_now(&self, sid: SessionId) -> (SessionId, i64) {
        (sid, self.clock.now_ms())
    }
}
