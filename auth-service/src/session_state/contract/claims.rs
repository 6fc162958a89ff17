//! Stale claims: a refresh after a change of the user's scopes or roles reads the database.

use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_state::{FIRST, TestState, on_both_kinds};
use crate::{
    domain::refresh_decision::{ClaimsSource, RefreshDecision, Rotation, TokenGeneration},
    session_state::LiveSession,
};

#[apply(on_both_kinds)]
async fn refresh_reads_stale_claims_from_the_database_once(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
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
    let sid = state.begin().await;
    state.mark_claims_stale(sid).await;
    let RefreshDecision::Rotated(one) = state.refresh_from_database(sid, FIRST).await else {
        panic!("not rotated")
    };
    // The retried token has the claims from before the change.
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::StaleClaims);
    let retried = state.refresh_from_database(sid, FIRST).await;
    assert_eq!(retried, RefreshDecision::RetriedInGrace(one));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::StaleClaims);
    state.rotate(sid, one).await;
}

#[apply(on_both_kinds)]
async fn token_kept_after_a_retry_stays_stale(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    state.mark_claims_stale(sid).await;
    let rotated = state.refresh_from_database(sid, FIRST).await;
    assert!(matches!(rotated, RefreshDecision::Rotated(_)), "{rotated:?}");
    // Rotation is turned off, and the client repeats its request.
    let mut attempt = state.attempt(sid, FIRST);
    attempt.presented.rotation = Rotation::Off;
    attempt.presented.claims = ClaimsSource::Database;
    assert_eq!(state.decide(attempt).await.unwrap(), RefreshDecision::Kept);
    let mut attempt = state.attempt(sid, FIRST);
    attempt.presented.rotation = Rotation::Off;
    assert_eq!(state.decide(attempt).await.unwrap(), RefreshDecision::StaleClaims);
}

#[apply(on_both_kinds)]
async fn retry_does_not_clear_the_mark_for_a_token_already_issued(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    state.mark_claims_stale(sid).await;
    let retried = state.refresh_from_database(sid, FIRST).await;
    assert_eq!(retried, RefreshDecision::RetriedInGrace(one));
    // The first answer had the claims from before the change.
    assert_eq!(state.refresh(sid, one).await, RefreshDecision::StaleClaims);
}

#[apply(on_both_kinds)]
async fn mark_does_not_revive_an_ended_session(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    state.revoke(sid).await;
    state.mark_claims_stale(sid).await;
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Revoked);
}

#[apply(on_both_kinds)]
async fn mark_does_not_hide_reuse(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    state.rotate(sid, one).await;
    state.mark_claims_stale(sid).await;
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
}

#[apply(on_both_kinds)]
async fn mark_restores_the_entry_of_a_session_whose_entry_was_lost(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let row = LiveSession { generation: 7, rotated_at_ms: 1, ..state.row(sid) };
    state.session_state.mark_claims_stale(vec![row]).await.unwrap();
    let seventh = TokenGeneration { generation: 7, rotated_at_ms: 1 };
    assert_eq!(state.refresh(sid, seventh).await, RefreshDecision::StaleClaims);
    let decision = state.refresh_from_database(sid, seventh).await;
    assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}");
}
