//! The refresh decision.

use std::{collections::BTreeSet, time::Duration};

use rstest_reuse::apply;

use super::test_state::{FIRST, GRACE, HERE, TestState, on_both_kinds};
use crate::{
    domain::{
        outages::Outages,
        refresh_decision::{
            self, ClaimsSource, GracePeriod, RefreshDecision, Rotation, SessionEntry,
            TokenGeneration, Watermark,
        },
        session::OriginHash,
    },
    session_state::RefreshAttempt,
};

#[apply(on_both_kinds)]
async fn rotates_the_newest_token_and_retries_within_grace_period(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    assert_eq!(one.generation, 1);
    let watermark = Watermark {
        generation: 1,
        moved_at_ms: one.rotated_at_ms,
        origin: HERE,
        ..Watermark::default()
    };
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
    let sid = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    state.clock.advance(GRACE);
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
    assert_eq!(state.refresh(sid, one).await, RefreshDecision::Revoked);
    assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Revoked));
}

#[apply(on_both_kinds)]
async fn reuse_after_the_next_rotation_ends_the_session(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
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
    let sid = state.begin().await;
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
        let sid = state.begin().await;
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

/// Plays many histories of six steps. A step marks the claims as stale, or presents one of the last
/// tokens in one of several ways. Compares each decision and each entry with those of
/// [`refresh_decision::decide`].
#[apply(on_both_kinds)]
async fn decides_by_the_rules_of_the_domain(state: TestState) {
    const HISTORIES: usize = 700;
    const STEPS: usize = 6;
    let state = state.complete().await;
    let mut seen = BTreeSet::new();
    // A linear congruential generator: the same histories in each run.
    let mut random = 1_u64;
    let mut choose = |choices: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % choices
    };
    for _ in 0..HISTORIES {
        let sid = state.begin().await;
        let mut entry = state.entry(sid).await.unwrap();
        let mut tokens = vec![FIRST];
        for _ in 0..STEPS {
            if choose(12) == 0 {
                state.mark_claims_stale(sid).await;
                entry = state.entry(sid).await.unwrap();
                continue;
            }
            // Mostly the newest token, or the one before.
            let age = [0, 0, 0, 1, 1, 1, 2, 3][choose(8) as usize];
            let token = tokens[tokens.len().saturating_sub(1 + age)];
            let mut attempt = state.attempt(sid, token);
            attempt.presented.origin = OriginHash::from_bits(choose(3) as u32);
            if choose(4) == 0 {
                attempt.presented.claims = ClaimsSource::Database;
            }
            if choose(8) == 0 {
                attempt.presented.rotation = Rotation::Off;
            }
            let decision;
            (decision, entry) = assert_decided_by_the_rules(&state, entry, attempt).await;
            seen.insert(format!("{decision:?}").split('(').next().unwrap().to_owned());
            if let RefreshDecision::Rotated(next)
            | RefreshDecision::RetriedInGrace(next)
            | RefreshDecision::RetriedElsewhere(next) = decision
            {
                tokens.push(next);
            }
        }
    }
    for expected in [
        "Rotated",
        "RetriedInGrace",
        "RetriedElsewhere",
        "Kept",
        "StaleClaims",
        "Reused",
        "Revoked",
    ] {
        assert!(seen.contains(expected), "{expected} is missing in {seen:?}");
    }
}

/// Decides on `attempt`, compares the outcome with the rules, and returns the decision and the new
/// entry.
async fn assert_decided_by_the_rules(
    state: &TestState,
    entry: Option<SessionEntry>,
    attempt: RefreshAttempt,
) -> (RefreshDecision, Option<SessionEntry>) {
    let before_ms = state.clock.now_ms();
    let decision = state.decide(attempt).await.unwrap();
    // Redis decides by its own clock, and a rotation's answer has that time.
    let now_ms = match decision {
        RefreshDecision::Rotated(next) => next.rotated_at_ms,
        _ => before_ms,
    };
    let outages = Outages::default();
    let grace = GracePeriod { now_ms, length: GRACE, outages: &outages };
    let (expected, expected_entry) = refresh_decision::decide(entry, &attempt.presented, &grace);
    assert_eq!(decision, expected, "{entry:?} {attempt:?}");
    let entry = state.entry(attempt.sid).await.unwrap();
    assert_eq!(entry, expected_entry, "{attempt:?}");
    (decision, entry)
}
