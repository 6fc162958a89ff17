//! Session state for a test, and a template that runs a test against both kinds.

use std::time::Duration;

use shared::{claims::SessionId, clock::Clock};
use test_support::{RedisServer, TempDir, redis_url, temp_dir, unique};

use crate::{
    domain::{
        refresh_decision::{
            ClaimsSource, Presented, RefreshDecision, Rotation, SessionEntry, TokenGeneration,
        },
        session::OriginHash,
    },
    redis::{NO_CERTIFICATES, Server},
    session_state::{
        EmbeddedSessionState, LiveSession, RedisSessionState, RefreshAttempt, SessionState,
        types::Result,
    },
    store::{Database, Store},
};

pub const GRACE: Duration = Duration::from_secs(10);
/// Time from now to the expiry of each token.
pub const LIFE_MS: i64 = 1_000_000;
/// Generation of the first refresh token of a session.
pub const FIRST: TokenGeneration = TokenGeneration::FIRST;

/// The origin of requests, if a test does not care.
pub const HERE: OriginHash = OriginHash::from_bits(1);

/// Session state, its clock, and the folder that it needs.
pub struct TestState {
    pub session_state: SessionState,
    pub clock: Clock,
    _folder: TempDir,
}

/// Runs a test against both kinds of session state.
#[rstest_reuse::template]
#[rstest::rstest]
#[case::embedded(TestState::embedded())]
#[case::redis(std::future::ready(TestState::redis()))]
#[actix_web::test]
pub async fn on_both_kinds(
    #[future(awt)]
    #[case]
    state: TestState,
) {
}

/// Returns session state in the Redis at this URL.
pub fn redis_session_state(url: &str, timeout: Duration, clock: &Clock) -> RedisSessionState {
    let server = Server::parse(url, &NO_CERTIFICATES).unwrap();
    RedisSessionState::new(server, &unique("test:"), timeout, clock.clone(), 0)
}

impl TestState {
    pub async fn embedded() -> Self {
        let folder = temp_dir();
        let clock = Clock::system();
        let database = Database::Sqlite(folder.path().join("db"));
        let store = Store::new(database, 4, Duration::from_secs(5));
        store.migrate().await.unwrap();
        let embedded = EmbeddedSessionState::new(store, clock.clone());
        Self { session_state: SessionState::Embedded(embedded), clock, _folder: folder }
    }

    /// Returns session state in the Redis that tests share.
    pub fn redis() -> Self {
        Self::redis_at(&redis_url(), Duration::from_secs(5))
    }

    /// Returns session state in a Redis that belongs to one test.
    pub fn on_server(server: &RedisServer) -> Self {
        Self::redis_at(&server.url(), Duration::from_secs(5))
    }

    /// Returns session state in a Redis that belongs to one test, with key names that the test knows.
    pub fn without_prefix(server: &RedisServer) -> Self {
        let clock = Clock::system();
        let timeout = Duration::from_secs(5);
        let parsed = Server::parse(&server.url(), &NO_CERTIFICATES).unwrap();
        let redis = RedisSessionState::new(parsed, "", timeout, clock.clone(), 0);
        Self { session_state: SessionState::Redis(redis), clock, _folder: temp_dir() }
    }

    /// Returns session state in a Redis, with a time limit for its answers.
    pub fn redis_at(url: &str, timeout: Duration) -> Self {
        let clock = Clock::system();
        let redis = redis_session_state(url, timeout, &clock);
        Self { session_state: SessionState::Redis(redis), clock, _folder: temp_dir() }
    }

    /// Declares session state complete.
    pub async fn complete(self) -> Self {
        let rebuild = self.session_state.begin_rebuild().await.unwrap();
        self.session_state.finish_rebuild(rebuild).await.unwrap();
        self
    }

    pub fn attempt(&self, sid: SessionId, presented: TokenGeneration) -> RefreshAttempt {
        let expires_at_ms = self.clock.now_ms() + LIFE_MS;
        RefreshAttempt {
            sid,
            presented: Presented {
                token: presented,
                claims: ClaimsSource::Token,
                origin: HERE,
                rotation: Rotation::On,
            },
            expires_at_ms,
            next_expires_at_ms: expires_at_ms,
            grace: GRACE,
            restored: None,
        }
    }

    /// Returns what the database knows of a session: by default, that of a session at its login.
    pub fn row(&self, sid: SessionId) -> LiveSession {
        LiveSession::unrefreshed(sid, self.clock.now_ms() + LIFE_MS)
    }

    /// Begins a session, whose login writes its entry.
    pub async fn begin(&self) -> SessionId {
        let sid = SessionId::generate();
        self.restore(self.row(sid)).await;
        sid
    }

    pub async fn restore(&self, session: LiveSession) -> SessionEntry {
        let epoch = self.session_state.connection_epoch();
        self.session_state.restore(epoch, session).await.unwrap()
    }

    pub async fn decide(&self, attempt: RefreshAttempt) -> Result<RefreshDecision> {
        self.session_state.decide_refresh(self.session_state.connection_epoch(), attempt).await
    }

    pub async fn refresh(&self, sid: SessionId, presented: TokenGeneration) -> RefreshDecision {
        self.decide(self.attempt(sid, presented)).await.unwrap()
    }

    /// Refreshes with claims that were just read from the database.
    pub async fn refresh_from_database(
        &self,
        sid: SessionId,
        presented: TokenGeneration,
    ) -> RefreshDecision {
        let mut attempt = self.attempt(sid, presented);
        attempt.presented.claims = ClaimsSource::Database;
        self.decide(attempt).await.unwrap()
    }

    /// Refreshes, and returns the generation of the next token.
    pub async fn rotate(&self, sid: SessionId, presented: TokenGeneration) -> TokenGeneration {
        match self.refresh(sid, presented).await {
            RefreshDecision::Rotated(next) => next,
            other => panic!("{other:?}"),
        }
    }

    pub async fn entry(&self, sid: SessionId) -> Result<Option<SessionEntry>> {
        self.session_state.entry(self.session_state.connection_epoch(), sid).await
    }

    pub async fn mark_claims_stale(&self, sid: SessionId) {
        self.session_state.mark_claims_stale(vec![self.row(sid)]).await.unwrap();
    }

    pub async fn revoke(&self, sid: SessionId) {
        self.revoke_until(sid, self.clock.now_ms() + LIFE_MS).await;
    }

    pub async fn revoke_until(&self, sid: SessionId, until_ms: i64) {
        self.session_state.revoke(vec![(sid, until_ms)]).await.unwrap();
    }

    /// Returns the remaining life of an entry, in seconds.
    pub async fn ttl_seconds(&self, sid: SessionId) -> i64 {
        let ttl_ms = match &self.session_state {
            SessionState::Redis(redis) => redis.ttl_ms(sid).await,
            SessionState::Embedded(embedded) => embedded.ttl_ms(sid).await,
        };
        (ttl_ms + 999) / 1000
    }
}
