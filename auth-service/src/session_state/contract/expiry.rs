//! How long entries are kept.

use std::time::Duration;

use rstest_reuse::apply;
use shared::claims::SessionId;
use test_support::RedisServer;

use super::test_state::{FIRST, LIFE_MS, TestState, on_both_kinds};
use crate::session_state::{RefreshAttempt, Retention};

#[apply(on_both_kinds)]
async fn extended_entry_is_kept_as_long_as_any_token_lives(state: TestState) {
    let state = state.complete().await;
    let now_ms = state.clock.now_ms();
    let short = Retention::until(now_ms + 10_000);
    let long = Retention::until(now_ms + LIFE_MS);
    let ended_twice = SessionId::generate();
    state.revoke_with(ended_twice, short).await;
    state.revoke_with(ended_twice, long).await;
    let extended = SessionId::generate();
    let twice = vec![(extended, short), (extended, Retention { extend: true, ..long })];
    state.session_state.revoke(twice).await.unwrap();
    assert_eq!(state.ttl_seconds(ended_twice).await, 10);
    assert_eq!(state.ttl_seconds(extended).await, LIFE_MS / 1000);
}

#[actix_web::test]
async fn embedded_entry_is_deleted_after_the_expiry_of_the_newest_token() {
    let state = TestState::embedded().await.complete().await;
    let sid = SessionId::generate();
    let now_ms = state.clock.now_ms();
    for life_ms in [100_000, 50_000] {
        let attempt = RefreshAttempt {
            expires_at_ms: now_ms + life_ms,
            next_expires_at_ms: now_ms + life_ms,
            ..state.attempt(sid, FIRST)
        };
        state.decide(attempt).await.unwrap();
    }
    state.clock.advance(Duration::from_secs(99));
    state.session_state.delete_expired().await.unwrap();
    assert!(state.entry(sid).await.unwrap().is_some());
    state.clock.advance(Duration::from_secs(2));
    assert_eq!(state.entry(sid).await.unwrap(), None);
    state.session_state.delete_expired().await.unwrap();
}

#[actix_web::test]
async fn redis_entry_expires_with_the_newest_token() {
    let server = RedisServer::start();
    let state = TestState::on_server(&server);
    let sid = SessionId::generate();
    let now_ms = state.clock.now_ms();
    let retention = |session_began_ms| Retention {
        presented_until_ms: now_ms + 300_000,
        longest_until_ms: now_ms + 1_000_000,
        session_began_ms,
        extend: false,
    };
    let assert_ttl = async |state: &TestState, seconds: i64| {
        let ttl = state.ttl_seconds(sid).await;
        // The test itself takes some time.
        assert!((seconds - 30..=seconds).contains(&ttl), "{ttl}");
    };

    // Logout before the first refresh: the presented token is the only one.
    let state = state.complete().await;
    state.revoke_with(sid, retention(now_ms + 60_000)).await;
    assert_ttl(&state, 300).await;
    server.wipe();

    // Logout after a refresh, with the older token: the newest token lives longer.
    let state = state.complete().await;
    let attempt = RefreshAttempt {
        expires_at_ms: now_ms + 300_000,
        next_expires_at_ms: now_ms + 700_000,
        ..state.attempt(sid, FIRST)
    };
    state.decide(attempt).await.unwrap();
    state.revoke_with(sid, retention(now_ms + 60_000)).await;
    assert_ttl(&state, 700).await;
    server.wipe();

    // Logout after a loss: the newest token is unknown.
    let state = state.complete().await;
    state.revoke_with(sid, retention(1)).await;
    assert_ttl(&state, 1000).await;
}
