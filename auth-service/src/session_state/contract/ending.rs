//! The end of sessions.

use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_state::{FIRST, LIFE_MS, TestState, on_both_kinds};
use crate::{
    domain::refresh_decision::RefreshDecision,
    session_state::{Answering, RefreshAttempt, SessionStateError},
};

#[apply(on_both_kinds)]
async fn decides_nothing_before_it_is_complete(state: TestState) {
    let sid = SessionId::generate();
    let refused = state.decide(state.attempt(sid, FIRST)).await;
    assert!(matches!(refused, Err(SessionStateError::Incomplete)), "{refused:?}");
    assert!(matches!(state.entry(sid).await, Err(SessionStateError::Incomplete)));
    assert!(!state.session_state.is_complete(Answering::Yes).await.unwrap());
    // Incomplete session state still accepts the end of a session.
    state.revoke(sid).await;
    let state = state.complete().await;
    assert!(state.session_state.is_complete(Answering::Yes).await.unwrap());
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Revoked);
}

#[apply(on_both_kinds)]
async fn ended_session_stays_ended_and_other_sessions_continue(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let other = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    state.revoke(sid).await;
    state.revoke(sid).await;
    assert_eq!(state.refresh(sid, one).await, RefreshDecision::Revoked);
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Revoked);
    state.rotate(other, FIRST).await;
}

#[apply(on_both_kinds)]
async fn many_sessions_end_in_one_call(state: TestState) {
    let state = state.complete().await;
    let sids: Vec<SessionId> = (0..2500).map(|_| SessionId::generate()).collect();
    let until_ms = state.clock.now_ms() + LIFE_MS;
    let ended = sids.iter().map(|sid| (*sid, until_ms)).collect();
    state.session_state.revoke(ended).await.unwrap();
    for sid in sids.iter().step_by(499) {
        assert_eq!(state.refresh(*sid, FIRST).await, RefreshDecision::Revoked);
    }
}

#[apply(on_both_kinds)]
async fn expired_token_is_not_rotated(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let expires_at_ms = state.clock.now_ms() - 1;
    let attempt = RefreshAttempt { expires_at_ms, ..state.attempt(sid, FIRST) };
    assert_eq!(state.decide(attempt).await.unwrap(), RefreshDecision::Expired);
    assert_eq!(state.entry(sid).await.unwrap(), None);
}
