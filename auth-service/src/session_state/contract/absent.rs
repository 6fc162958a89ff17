//! Sessions without an entry, and entries that are restored from the session's row.

use std::time::Duration;

use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_state::{FIRST, GRACE, TestState, on_both_kinds};
use crate::{
    domain::refresh_decision::{
        CurrentClaims, EPOCH, RefreshDecision, SessionEntry, TokenGeneration,
    },
    session_state::{LiveSession, RefreshAttempt},
};

const SEVENTH: TokenGeneration = TokenGeneration { generation: 7, rotated_at_ms: 5000 };

/// What the database knows of a session whose newest token is [`SEVENTH`].
fn row(state: &TestState, sid: SessionId) -> LiveSession {
    LiveSession { generation: 7, rotated_at_ms: 5000, ..state.row(sid) }
}

async fn refresh_restored(
    state: &TestState,
    sid: SessionId,
    presented: TokenGeneration,
) -> RefreshDecision {
    let restored = Some(row(state, sid));
    state.decide(RefreshAttempt { restored, ..state.attempt(sid, presented) }).await.unwrap()
}

#[apply(on_both_kinds)]
async fn session_without_an_entry_is_unknown(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Absent);
    assert_eq!(state.refresh_from_database(sid, SEVENTH).await, RefreshDecision::Absent);
    assert_eq!(state.entry(sid).await.unwrap(), None);
}

#[apply(on_both_kinds)]
async fn refresh_with_the_row_is_decided_as_with_the_entry(state: TestState) {
    let state = state.complete().await;
    // The row may lag behind the newest token, and never runs ahead.
    for (presented, is_accepted) in [
        (SEVENTH, true),
        (TokenGeneration { generation: 8, rotated_at_ms: 6000 }, true),
        (TokenGeneration { generation: 6, rotated_at_ms: 4000 }, false),
        (FIRST, false),
    ] {
        let sid = SessionId::generate();
        let decision = refresh_restored(&state, sid, presented).await;
        if is_accepted {
            assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}");
            continue;
        }
        assert_eq!(decision, RefreshDecision::Reused, "{presented:?}");
        assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Revoked));
    }
}

#[apply(on_both_kinds)]
async fn row_does_not_replace_an_entry(state: TestState) {
    let state = state.complete().await;
    let ended = SessionId::generate();
    state.revoke(ended).await;
    assert_eq!(refresh_restored(&state, ended, SEVENTH).await, RefreshDecision::Revoked);
    assert_eq!(state.restore(row(&state, ended)).await, SessionEntry::Revoked);

    let newer = state.begin().await;
    let one = state.rotate(newer, FIRST).await;
    let kept = state.restore(row(&state, newer)).await;
    assert!(matches!(kept, SessionEntry::Alive(known) if known.generation == 1), "{kept:?}");
    assert_eq!(state.entry(newer).await.unwrap(), Some(kept));
    state.rotate(newer, one).await;
}

#[apply(on_both_kinds)]
async fn restored_entry_has_the_state_of_the_row(state: TestState) {
    let state = state.complete().await;
    let sid = SessionId::generate();
    let stale = LiveSession { current_claims: CurrentClaims::OfNone, ..row(&state, sid) };
    let entry = state.restore(stale).await;
    assert_eq!(entry, SessionEntry::Alive(stale.watermark()));
    assert_eq!(state.entry(sid).await.unwrap(), Some(entry));
    assert_eq!(state.refresh(sid, SEVENTH).await, RefreshDecision::StaleClaims);
}

#[apply(on_both_kinds)]
async fn void_tokens_are_refused_and_the_session_continues(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    let rotated_at_ms = one.rotated_at_ms + 1;
    let row = LiveSession { generation: EPOCH, rotated_at_ms, ..state.row(sid) };
    for _ in 0..2 {
        state.session_state.void(vec![row]).await.unwrap();
    }
    for presented in [FIRST, one] {
        assert_eq!(state.refresh(sid, presented).await, RefreshDecision::Void);
    }
    let next = TokenGeneration { generation: EPOCH, rotated_at_ms };
    let after = state.rotate(sid, next).await;
    assert_eq!(after.generation, EPOCH + 1);
    // A repeated write does not undo the rotation.
    state.session_state.void(vec![row]).await.unwrap();
    assert_eq!(state.refresh(sid, one).await, RefreshDecision::Void);
    let last = state.rotate(sid, after).await;
    state.clock.advance(GRACE + Duration::from_secs(1));
    assert_eq!(state.refresh(sid, after).await, RefreshDecision::Reused);
    assert_eq!(state.refresh(sid, last).await, RefreshDecision::Revoked);

    // An ended session stays ended, and a session without an entry gets none.
    state.session_state.void(vec![row]).await.unwrap();
    assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Revoked));
    let absent = SessionId::generate();
    state.session_state.void(vec![LiveSession { sid: absent, ..row }]).await.unwrap();
    assert_eq!(state.entry(absent).await.unwrap(), None);
}
