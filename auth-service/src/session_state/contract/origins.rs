//! Retries within the grace period, from the origin of the rotation and from elsewhere.

use rstest_reuse::apply;

use super::test_state::{FIRST, HERE, TestState, on_both_kinds};
use crate::domain::{
    refresh_decision::{RefreshDecision, TokenGeneration},
    session::OriginHash,
};

const ELSEWHERE: OriginHash = OriginHash::from_bits(2);

impl TestState {
    async fn refresh_from(
        &self,
        origin: OriginHash,
        sid: shared::claims::SessionId,
        presented: TokenGeneration,
    ) -> RefreshDecision {
        let mut attempt = self.attempt(sid, presented);
        attempt.presented.origin = origin;
        self.decide(attempt).await.unwrap()
    }
}

#[apply(on_both_kinds)]
async fn thief_in_step_with_the_owner_is_noticed_at_once_and_ends_the_session(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let mut token = FIRST;
    for _ in 0..2 {
        let next = state.rotate(sid, token).await;
        let retried = state.refresh_from(ELSEWHERE, sid, token).await;
        assert_eq!(retried, RefreshDecision::RetriedElsewhere(next));
        // Each generation counts once.
        let again = state.refresh_from(ELSEWHERE, sid, token).await;
        assert_eq!(again, RefreshDecision::RetriedInGrace(next));
        token = next;
    }
    // In the third generation, the thief is first.
    let next = state.refresh_from(ELSEWHERE, sid, token).await;
    let RefreshDecision::Rotated(next) = next else { panic!("{next:?}") };
    assert_eq!(state.refresh_from(HERE, sid, token).await, RefreshDecision::ReusedInStep);
    assert_eq!(state.refresh(sid, next).await, RefreshDecision::Revoked);
}

#[apply(on_both_kinds)]
async fn retries_elsewhere_in_separate_generations_end_nothing(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let mut token = FIRST;
    for generation in 0..9 {
        let next = state.rotate(sid, token).await;
        if generation % 3 != 2 {
            let retried = state.refresh_from(ELSEWHERE, sid, token).await;
            assert_eq!(retried, RefreshDecision::RetriedElsewhere(next));
        }
        token = next;
    }
}

#[apply(on_both_kinds)]
async fn tabs_of_one_browser_never_end_a_session(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let mut token = FIRST;
    for _ in 0..6 {
        let next = state.rotate(sid, token).await;
        for _ in 0..3 {
            assert_eq!(state.refresh(sid, token).await, RefreshDecision::RetriedInGrace(next));
        }
        // The origin of a rotation by the previous version is unknown.
        let unknown = state.refresh_from(OriginHash::UNKNOWN, sid, token).await;
        assert_eq!(unknown, RefreshDecision::RetriedInGrace(next));
        token = next;
    }
}
