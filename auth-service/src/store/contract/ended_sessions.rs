//! Sessions end, and their ends are listed.

use shared::claims::SessionId;

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::{EndCause, Origin},
    },
    store::{
        Recorder,
        audit::{self, Filter, StoredEvent},
        sessions::{self, Revoked},
    },
};

run_on_both_databases!(
    end_of_a_session_is_recorded_once,
    unknown_session_cannot_be_ended,
    ended_sessions_are_listed_until_session_state_holds_them,
    recent_ends_are_paged_even_within_one_millisecond,
);

async fn end_of_a_session_is_recorded_once(it: Fixture) {
    let (user, _) = it.insert("ada", "ada@example.com").await;
    let sid = it.session(user, NOW + 1000).await;
    let other = it.session(user, NOW + 1000).await;
    let origin = Origin { user_agent: Some("curl".into()), ip: Some("192.0.2.1".into()) };
    let event = AuditEvent::Ended(EndCause::Logout);
    let record = AuditRecord::new(event, Initiator::client("app", origin), NOW - 7);
    let record = record.user(user).session(sid).detail("a detail");
    let end = |sid| {
        let record = record.clone();
        it.run(move |connection| {
            sessions::end_audited(
                connection,
                sid,
                EndCause::Logout,
                NOW,
                &record,
                &Recorder::default(),
            )
        })
    };
    assert!(end(sid).await);
    assert!(!end(sid).await);
    assert!(!end(SessionId::generate()).await);

    let revoked = it.revoked(None, false, 10).await;
    let ended: Vec<_> = revoked.iter().map(|it| (it.sid, it.revoked_at_ms)).collect();
    assert_eq!(ended, [(sid, NOW)]);
    assert!(it.run(move |connection| sessions::exists(connection, other)).await);

    let filter = Filter { event: Some("logout".into()), ..Filter::default() };
    let events = it.run(move |connection| audit::last(connection, &filter, 10)).await;
    let recorded = StoredEvent {
        at: NOW - 7,
        event: "logout".into(),
        actor: "client".into(),
        user_id: Some(user.to_string()),
        session_id: Some(sid.to_string()),
        client_id: Some("app".into()),
        ip: Some("192.0.2.1".into()),
        user_agent: Some("curl".into()),
        detail: Some("a detail".into()),
        operator: None,
    };
    assert_eq!(events, [recorded]);
}

async fn unknown_session_cannot_be_ended(it: Fixture) {
    let sid = SessionId::generate();
    let cause = EndCause::Logout;
    let end = move |connection: &mut _| sessions::end(connection, sid, cause, NOW);
    assert_eq!(it.run(end).await, None);
    let end = move |connection: &mut _| sessions::end_of_user(connection, "ada", sid, cause, NOW);
    assert_eq!(it.run(end).await, None);
    assert!(!it.run(move |connection| sessions::exists(connection, sid)).await);
}

async fn ended_sessions_are_listed_until_session_state_holds_them(it: Fixture) {
    let (user, _) = it.insert("ada", "ada@example.com").await;
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(it.session(user, NOW + 1000).await);
    }
    let live = it.session(user, NOW + 1000).await;
    let expired = it.session(user, NOW).await;
    it.end(expired, NOW - 5).await;
    for sid in &sids {
        it.end(*sid, NOW - 5).await;
        // Changes nothing: the first end counts.
        it.end(*sid, NOW).await;
    }

    let page = it.revoked(None, false, 3).await;
    let rest = it.revoked(Some(page[2].sid), false, 3).await;
    let found: Vec<Revoked> = page.into_iter().chain(rest).collect();
    assert_eq!(found.iter().map(|revoked| revoked.sid).collect::<Vec<_>>(), sids);
    let times = (NOW - 5, NOW + 1000);
    assert!(found.iter().all(|it| (it.revoked_at_ms, it.expires_at_ms) == times));
    assert!(!sids.contains(&live));

    let held = sids[..4].to_vec();
    it.run(move |connection| sessions::mark_in_session_state(connection, &held, NOW)).await;
    let missing = it.revoked(None, true, 10).await;
    assert_eq!(missing.iter().map(|revoked| revoked.sid).collect::<Vec<_>>(), sids[4..]);
    assert_eq!(it.revoked(None, false, 10).await.len(), 5);
}

async fn recent_ends_are_paged_even_within_one_millisecond(it: Fixture) {
    let (user, _) = it.insert("ada", "ada@example.com").await;
    let mut ended = Vec::new();
    for at_ms in [NOW - 1, NOW, NOW + 1, NOW + 1, NOW + 1, NOW + 2] {
        let sid = it.session(user, NOW + 1000).await;
        it.end(sid, at_ms).await;
        ended.push((at_ms, sid.to_string(), sid));
    }
    it.session(user, NOW + 1000).await;
    ended.sort();
    let after_now = ended[2..].iter();
    let expected: Vec<_> = after_now.map(|(at_ms, _, sid)| (*sid, *at_ms)).collect();

    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query = move |connection: &mut _| sessions::revoked_since(connection, NOW, after, 2);
        let page = it.run(query).await;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        assert!(page.len() <= 2);
        found.extend(page);
    }
    assert_eq!(found, expected);
}
