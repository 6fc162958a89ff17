//! Times in which no refresh could be answered are no part of the grace period.

use std::time::Duration;

use rstest_reuse::apply;
use shared::claims::SessionId;

use test_support::RedisServer;

use super::test_state::{FIRST, GRACE, TestState, on_both_kinds};
use crate::{
    domain::refresh_decision::RefreshDecision,
    session_state::{Answering, LiveSession, RefreshAttempt, SessionState, Silence},
};

/// The silence of one replica. Its clock is that of the test.
async fn pass_in_silence(state: &TestState, time: Duration) {
    state.clock.advance(time);
    state.session_state.record_outage(Silence::For(time)).await.unwrap();
}

#[apply(on_both_kinds)]
async fn answer_that_was_lost_before_an_outage_is_given_again_after_it(state: TestState) {
    let state = state.complete().await;
    let sid = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    state.clock.advance(Duration::from_secs(4));
    pass_in_silence(&state, Duration::from_secs(60)).await;
    state.clock.advance(Duration::from_secs(2));
    pass_in_silence(&state, Duration::from_secs(600)).await;
    state.clock.advance(Duration::from_secs(3));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::RetriedInGrace(one));
    // Ten seconds in which refreshes were answered.
    state.clock.advance(Duration::from_secs(1));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
}

#[apply(on_both_kinds)]
async fn outage_does_not_prolong_a_grace_period_that_ended_before_or_began_after(state: TestState) {
    let state = state.complete().await;
    let before = state.begin().await;
    state.rotate(before, FIRST).await;
    state.clock.advance(GRACE);
    pass_in_silence(&state, Duration::from_secs(60)).await;
    let after = state.begin().await;
    state.rotate(after, FIRST).await;
    assert_eq!(state.refresh(before, FIRST).await, RefreshDecision::Reused);
    state.clock.advance(GRACE);
    assert_eq!(state.refresh(after, FIRST).await, RefreshDecision::Reused);
}

#[apply(on_both_kinds)]
async fn overlapping_outages_of_two_replicas_count_once(state: TestState) {
    let state = state.complete().await;
    let sid: SessionId = state.begin().await;
    let one = state.rotate(sid, FIRST).await;
    pass_in_silence(&state, Duration::from_secs(30)).await;
    // The other replica was silent for a part of that time.
    state.session_state.record_outage(Silence::For(Duration::from_secs(20))).await.unwrap();
    state.clock.advance(GRACE - Duration::from_secs(1));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::RetriedInGrace(one));
    state.clock.advance(Duration::from_secs(1));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
}

/// Who notices that no replica has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoticedBy {
    Refresh,
    Tick,
    NewProcess,
    NewProcessAfterALoss,
}

#[actix_web::test]
async fn silence_of_all_replicas_is_an_outage() {
    let server = RedisServer::start();
    let state = TestState::without_prefix(&server).complete().await;
    for noticed_by in [
        NoticedBy::Refresh,
        NoticedBy::Tick,
        NoticedBy::NewProcess,
        NoticedBy::NewProcessAfterALoss,
    ] {
        // A rotation a minute ago. Two seconds later a replica answered for the last time.
        let sid = SessionId::generate();
        let now_ms = state.clock.now_ms();
        let system_now_ms = now_ms - state.clock.offset_ms();
        let restored =
            Some(LiveSession { generation: 1, rotated_at_ms: now_ms - 60_000, ..state.row(sid) });
        let log = format!("outages{{{:x}}}", sid.0.as_bytes()[15] & 0xf);
        let write = "redis.call('SET', KEYS[1], struct.pack('>I6', ARGV[1]))";
        let answered_at = (system_now_ms - 58_000).to_string();
        server.command(&["EVAL", write, "1", &log, &answered_at]).unwrap();
        match noticed_by {
            NoticedBy::Refresh => {}
            NoticedBy::Tick => {
                assert!(state.session_state.is_complete(Answering::Yes).await.unwrap());
            }
            NoticedBy::NewProcess => {
                state.session_state.record_outage(Silence::SinceStart).await.unwrap();
            }
            NoticedBy::NewProcessAfterALoss => {
                server.command(&["DEL", &log]).unwrap();
                state.session_state.record_outage(Silence::SinceStart).await.unwrap();
            }
        }
        let attempt = RefreshAttempt { restored, ..state.attempt(sid, FIRST) };
        let decision = state.decide(attempt).await.unwrap();
        let is_retried = matches!(decision, RefreshDecision::RetriedInGrace(_));
        assert!(is_retried, "{noticed_by:?}: {decision:?}");
        state.clock.advance(GRACE);
        let decision = state.refresh(sid, FIRST).await;
        assert_eq!(decision, RefreshDecision::Reused, "{noticed_by:?}");
    }
}

#[actix_web::test]
async fn process_that_starts_beside_another_one_notices_no_outage() {
    let server = RedisServer::start();
    let state = TestState::without_prefix(&server).complete().await;
    state.session_state.record_outage(Silence::SinceStart).await.unwrap();
    let sid = state.begin().await;
    state.rotate(sid, FIRST).await;
    state.clock.advance(GRACE);
    state.session_state.record_outage(Silence::SinceStart).await.unwrap();
    assert!(state.session_state.is_complete(Answering::Yes).await.unwrap());
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
}

#[actix_web::test]
async fn first_refresh_after_a_pause_of_the_process_notices_the_pause() {
    let state = TestState::embedded().await.complete().await;
    let SessionState::Embedded(embedded) = &state.session_state else { panic!("not embedded") };
    let sid = state.begin().await;
    state.rotate(sid, FIRST).await;
    state.clock.advance(Duration::from_secs(60));
    // The process last answered two seconds after the rotation.
    embedded.pause_ms(58_000);
    let decision = state.refresh(sid, FIRST).await;
    assert!(matches!(decision, RefreshDecision::RetriedInGrace(_)), "{decision:?}");
    state.clock.advance(GRACE);
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Reused);
}
