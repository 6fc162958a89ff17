//! Stale claims: a refresh after a change of the user's scopes or roles reads the database.

use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_state::{FIRST, TestState, on_both_kinds};
use crate::domain::refresh_decision::{RefreshDecision, TokenGeneration};

#[apply(on_both_kinds)]
async fn refresh_reads_stale_claims_from_the_database_once(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    // Before the first refresh.
    state.mark_claims_stale(sid).await;
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::StaleClaims);
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::StaleClaims);
    let RefreshDecision::Rotated(one) = state.refresh_from_database(sid, FIRST).await else {
        panic!("not rotated")
    };
    let two = state.rotate(sid, one).await;
    assert_eq!(state.refresh(sid, one).await, RefreshDecision::RetriedInGrace(two));
    // After a refresh.
    state.mark_claims_stale(sid).await;
    assert_eq!(state.refresh(sid, two).await, RefreshDecision::StaleClaims);
    let decision = state.refresh_from_database(sid, two).await;
    assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}");
}

#[apply(on_both_kinds)]
async fn older_token_cannot_bring_stale_claims_back(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    state.mark_claims_stale(sid).await;
    let RefreshDecision::Rotated(one) = state.refresh_from_database(sid, FIRST).await else {
        panic!("not rotated")
    };
    // The retried token has the claims of before the change.
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::StaleClaims);
    let retried = state.refresh_from_database(sid, FIRST).await;
    assert_eq!(retried, RefreshDecision::RetriedInGrace(one));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::StaleClaims);
    state.rotate(sid, one).await;
}

#[apply(on_both_kinds)]
async fn mark_does_not_revive_an_ended_session(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    state.revoke(sid).await;
    state.mark_claims_stale(sid).await;
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Revoked);
}

#[apply(on_both_kinds)]
async fn mark_does_not_hide_reuse(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let one = state.rotate(sid, FIRST).await;
    state.rotate(sid, one).await;
    state.mark_claims_stale(sid).await;
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
}

#[apply(on_both_kinds)]
async fn mark_keeps_a_session_whose_entry_was_lost(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    state.mark_claims_stale(sid).await;
    let seventh = TokenGeneration { generation: 7, rotated_at_ms: 1 };
    assert_eq!(state.refresh(sid, seventh).await, RefreshDecision::StaleClaims);
    let decision = state.refresh_from_database(sid, seventh).await;
    assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}");
}
