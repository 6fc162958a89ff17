//! The refresh decision.

use std::time::Duration;

use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_state::{FIRST, GRACE, TestState, on_both_kinds};
use crate::{
    domain::refresh_decision::{
        self, ClaimsSource, RefreshDecision, SessionEntry, TokenGeneration, Watermark,
    },
    session_state::RefreshAttempt,
};

#[apply(on_both_kinds)]
async fn rotates_the_newest_token_and_retries_within_grace_period(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    assert_eq!(state.entry(sid).await.unwrap(), None);
    let one = state.rotate(sid, FIRST).await;
    assert_eq!(one.generation, 1);
    let watermark = Watermark { generation: 1, moved_at_ms: one.rotated_at_ms, claims_from: None };
    assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Alive(watermark)));
    state.clock.advance(Duration::from_secs(9));
    // A retry returns the time of the first answer, so retries do not prolong the grace period.
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::RetriedInGrace(one));
    let two = state.rotate(sid, one).await;
    assert_eq!(two.generation, 2);
    assert!(two.rotated_at_ms >= one.rotated_at_ms + 9000);
}

#[apply(on_both_kinds)]
async fn reuse_after_grace_period_ends_the_session(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let one = state.rotate(sid, FIRST).await;
    state.clock.advance(GRACE);
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
    assert_eq!(state.refresh(sid, one).await, RefreshDecision::Revoked);
    assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Revoked));
}

#[apply(on_both_kinds)]
async fn reuse_after_the_next_rotation_ends_the_session(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let one = state.rotate(sid, FIRST).await;
    let two = state.rotate(sid, one).await;
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
    assert_eq!(state.refresh(sid, two).await, RefreshDecision::Revoked);
}

#[apply(on_both_kinds)]
async fn token_newer_than_the_entry_is_accepted_only_if_made_after_the_watermark_moved(
    state: TestState,
) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let one = state.rotate(sid, FIRST).await;
    // Redis lost its last write: the token was made after the known watermark moved.
    let after = TokenGeneration { generation: 2, rotated_at_ms: one.rotated_at_ms + 1 };
    let three = state.rotate(sid, after).await;
    assert_eq!(three.generation, 3);
    // Redis lost everything, and an older token was accepted since: the token was made before.
    let before = TokenGeneration { generation: 7, rotated_at_ms: three.rotated_at_ms - 1 };
    assert_eq!(state.refresh(sid, before).await, RefreshDecision::Reused);
    assert_eq!(state.refresh(sid, three).await, RefreshDecision::Revoked);
}

#[apply(on_both_kinds)]
async fn token_made_long_before_the_watermark_moved_ends_the_session(state: TestState) {
    let state = state.complete().await;
    // Redis lost everything, and the previous token was accepted since.
    for (age_ms, is_accepted) in [(10_001, false), (10_000, true)] {
        let sid = SessionId::generate();
        let one = state.rotate(sid, FIRST).await;
        let other = TokenGeneration { rotated_at_ms: one.rotated_at_ms - age_ms, ..one };
        let decision = state.refresh(sid, other).await;
        if is_accepted {
            assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}");
        } else {
            assert_eq!(decision, RefreshDecision::Reused);
            assert_eq!(state.refresh(sid, one).await, RefreshDecision::Revoked);
        }
    }
}

/// Plays every history of four steps. A step marks the claims as stale, or presents a recent
/// token. Compares each decision and each entry with those of [`refresh_decision::decide`].
#[apply(on_both_kinds)]
async fn decides_by_the_rules_of_the_domain(state: TestState) {
    const STEPS: u32 = 4;
    /// Choices at each step: one of the last four tokens, the newest token with claims from the
    /// database, or a mark.
    const CHOICES: u32 = 6;
    let state = state.complete().await;
    for history in 0..CHOICES.pow(STEPS) {
        let sid = SessionId::generate();
        let mut entry = None;
        let mut tokens = vec![FIRST];
        for step in 0..STEPS {
            let choice = history / CHOICES.pow(step) % CHOICES;
            if choice == 5 {
                state.mark_claims_stale(sid).await;
                entry = state.entry(sid).await.unwrap();
                continue;
            }
            let claims = if choice == 4 { ClaimsSource::Database } else { ClaimsSource::Token };
            let presented = tokens[tokens.len().saturating_sub(1 + choice as usize % 4)];
            let attempt = RefreshAttempt { claims, ..state.attempt(sid, presented) };
            entry = assert_decided_by_the_rules(&state, entry, attempt, &mut tokens).await;
        }
    }
}

/// Decides on `attempt`, compares the outcome with the rules, and returns the new entry.
async fn assert_decided_by_the_rules(
    state: &TestState,
    entry: Option<SessionEntry>,
    attempt: RefreshAttempt,
    tokens: &mut Vec<TokenGeneration>,
) -> Option<SessionEntry> {
    let before_ms = state.clock.now_ms();
    let decision = state.decide(attempt).await.unwrap();
    // Redis decides by its own clock, and a rotation's answer has that time.
    let now_ms = match decision {
        RefreshDecision::Rotated(next) => next.rotated_at_ms,
        _ => before_ms,
    };
    let RefreshAttempt { sid, presented, claims, .. } = attempt;
    let (expected, expected_entry) =
        refresh_decision::decide(entry, presented, claims, now_ms, GRACE);
    assert_eq!(decision, expected, "{entry:?} {attempt:?}");
    let entry = state.entry(sid).await.unwrap();
    assert_eq!(entry, expected_entry, "{attempt:?}");
    if let RefreshDecision::Rotated(next) | RefreshDecision::RetriedInGrace(next) = decision {
        tokens.push(next);
    }
    entry
}
