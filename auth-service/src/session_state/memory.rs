//! Memory that sessions take in Redis, however often they are refreshed.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use shared::{claims::SessionId, clock::Clock};
use test_support::{RedisServer, sized};

use super::{LiveSession, RedisSessionState, RefreshAttempt, SessionState};
use crate::{
    domain::{
        refresh_decision::{ClaimsSource, Presented, RefreshDecision, Rotation, TokenGeneration},
        session::OriginHash,
    },
    redis::{NO_CERTIFICATES, Server},
};

const LIFE_MS: i64 = 604_800_000;
/// Generation of the first refresh token of a session.
const FIRST: TokenGeneration = TokenGeneration::FIRST;
/// Maximum size of an entry, in bytes.
const ENTRY_BYTES: usize = 104;
/// Memory that Redis may take for each session on top of what it took before, because Redis frees
/// the buffers of its connections late. One entry per refresh would be a hundred times as much.
const SLACK_BYTES: usize = 10;

#[actix_web::test]
async fn session_takes_one_entry_however_often_it_is_refreshed() {
    // All counts nearly fill a hash table of Redis, whose size is a power of two. So each
    // session's share of the table is as small as it can be.
    let count = sized(16_000, 125_000, 1_000_000);
    // The limits hold for the allocator of Debian's Redis. The more sessions, the smaller is each
    // session's share of the memory that Redis needs for itself.
    let session_bytes = sized(176, 166, 166);
    let server = RedisServer::start_with_snapshots();
    let clock = Clock::system();
    let state = complete_session_state(&server, &clock).await;
    let entries = || server.query::<usize>(&["DBSIZE"]);
    let memory_before = server.memory();
    let entries_before = entries();

    let mut sessions: Vec<_> = (0..count).map(|_| (SessionId::generate(), FIRST)).collect();
    for _ in 0..10 {
        refresh_all(&state, clock.now_ms(), &mut sessions).await;
    }
    assert_eq!(entries() - entries_before, count);
    let memory = server.memory();
    let entry_bytes = size_of_any_entry(&server);
    let each = (memory - memory_before) / count;
    println!("{count} sessions, 10 refreshes: {each} bytes each, of which an entry {entry_bytes}");

    for _ in 0..10 {
        refresh_all(&state, clock.now_ms(), &mut sessions).await;
    }
    assert!(sessions.iter().all(|(_, newest)| newest.generation == 20));
    assert_eq!(entries() - entries_before, count);
    let limit = (memory + SLACK_BYTES * count).min(memory_before + session_bytes * count);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.memory() > limit {
        assert!(Instant::now() < deadline, "{memory} bytes became {}", server.memory());
    }
    assert!(entry_bytes <= ENTRY_BYTES, "an entry has {entry_bytes} bytes");
    let each = (server.memory() - memory_before) / count;
    println!("{count} sessions, 20 refreshes: {each} bytes each");
}

async fn complete_session_state(server: &RedisServer, clock: &Clock) -> SessionState {
    let server = Server::parse(&server.url(), &NO_CERTIFICATES).unwrap();
    let timeout = Duration::from_secs(60);
    let redis = RedisSessionState::new(server, "", timeout, clock.clone(), 0);
    let state = SessionState::Redis(redis);
    let rebuild = state.begin_rebuild().await.unwrap();
    state.finish_rebuild(rebuild).await.unwrap();
    state
}

/// Refreshes each session once, many at a time.
async fn refresh_all(
    state: &SessionState,
    now_ms: i64,
    sessions: &mut [(SessionId, TokenGeneration)],
) {
    let refresh = async |(sid, newest): &mut (SessionId, TokenGeneration)| {
        let attempt = RefreshAttempt {
            sid: *sid,
            presented: Presented {
                token: *newest,
                claims: ClaimsSource::Token,
                origin: OriginHash::from_bits(0x1234_5678),
                rotation: Rotation::On,
            },
            expires_at_ms: now_ms + LIFE_MS,
            next_expires_at_ms: now_ms + LIFE_MS,
            grace: Duration::from_secs(10),
            restored: Some(LiveSession::unrefreshed(*sid, now_ms + LIFE_MS)),
        };
        match state.decide_refresh(state.connection_epoch(), attempt).await.unwrap() {
            RefreshDecision::Rotated(next) => *newest = next,
            other => panic!("{other:?}"),
        }
    };
    stream::iter(sessions).for_each_concurrent(256, refresh).await;
}

fn size_of_any_entry(server: &RedisServer) -> usize {
    let keys: Vec<String> = server.query(&["KEYS", "bl{7}:*"]);
    let entry = keys.iter().find(|key| !key.ends_with("whole-since")).unwrap();
    server.query(&["MEMORY", "USAGE", entry])
}
