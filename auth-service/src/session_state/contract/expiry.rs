//! How long entries are kept.

use std::time::Duration;

use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_state::{FIRST, LIFE_MS, TestState, on_both_kinds};
use crate::session_state::{LiveSession, RefreshAttempt};

#[apply(on_both_kinds)]
async fn entry_of_an_ended_session_is_kept_for_the_longest_time(state: TestState) {
    let state = state.complete().await;
    let now_ms = state.clock.now_ms();
    let sid = state.begin().await;
    state.revoke_until(sid, now_ms + 10_000).await;
    assert_eq!(state.ttl_seconds(sid).await, LIFE_MS / 1000);
    state.revoke_until(sid, now_ms + 2 * LIFE_MS).await;
    let ttl_seconds = state.ttl_seconds(sid).await;
    // The test itself takes some time.
    assert!((2 * LIFE_MS / 1000 - 30..=2 * LIFE_MS / 1000).contains(&ttl_seconds), "{ttl_seconds}");
}

#[actix_web::test]
async fn embedded_entry_is_deleted_after_the_expiry_of_the_newest_token() {
    let state = TestState::embedded().await.complete().await;
    let sid = SessionId::generate();
    let now_ms = state.clock.now_ms();
    state.restore(LiveSession { until_ms: now_ms + 1000, ..state.row(sid) }).await;
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
    let state = TestState::redis().complete().await;
    let sid = state.begin().await;
    let now_ms = state.clock.now_ms();
    for life_ms in [LIFE_MS + 700_000, LIFE_MS + 300_000] {
        let attempt = RefreshAttempt {
            expires_at_ms: now_ms + life_ms,
            next_expires_at_ms: now_ms + life_ms,
            ..state.attempt(sid, FIRST)
        };
        state.decide(attempt).await.unwrap();
    }
    let seconds = (LIFE_MS + 700_000) / 1000;
    let ttl_seconds = state.ttl_seconds(sid).await;
    assert!((seconds - 30..=seconds).contains(&ttl_seconds), "{ttl_seconds}");
}
