//! Sessions begin, are listed, and expire.

use shared::claims::SessionId;
use uuid::Uuid;

use super::fixture::{Fixture, NOW, login_records, new_session, run_on_both_databases};
use crate::{
    domain::{
        refresh_decision::{EPOCH, TokenGeneration},
        session::{EndCause, Origin},
    },
    store::{
        Recorder,
        audit::{self, Filter},
        sessions::{self, NewSession, Progress},
        users::{self, User},
    },
};

run_on_both_databases!(
    session_begins_unless_the_user_has_changed,
    session_beyond_the_limit_ends_the_oldest_ones,
    surplus_of_sessions_ends_in_batches,
    session_records_how_and_when_its_user_authenticated,
    live_sessions_of_a_user_are_listed,
    generation_of_a_session_only_grows,
    voiding_begins_the_next_epoch_of_a_live_session,
    expired_sessions_are_deleted_page_by_page,
);

async fn session_begins_unless_the_user_has_changed(it: Fixture) {
    let user = it.ada().await;
    let id = user.id.to_string();
    let (sid, began) = it.begin(user.clone(), NOW + 1000).await.unwrap();
    assert!(began);
    let user_id = id.clone();
    let found = it.run(move |connection| sessions::details(connection, &user_id, NOW, 10)).await;
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.sid, it.created_at_ms, it.last_used_at_ms, it.expires_at_ms))
        .collect();
    assert_eq!(found, [(sid, NOW, NOW, NOW + 1000)]);

    let changed = [
        User { revision: user.revision + 1, ..user.clone() },
        User { id: Uuid::now_v7(), ..user.clone() },
    ];
    for user in changed {
        assert!(!it.begin(user, NOW + 1000).await.unwrap().1);
    }
    let user_id = id.clone();
    it.run(move |connection| users::set_disabled(connection, &user_id, true, NOW)).await;
    assert!(!it.begin(user.clone(), NOW + 1000).await.unwrap().1);
    assert_eq!(it.run(move |connection| sessions::live_of_user(connection, &id, NOW)).await, []);

    let events = it.run(|connection| audit::last(connection, &Filter::default(), 10)).await;
    let events: Vec<_> = events
        .iter()
        .map(|it| (it.event.as_str(), it.session_id.clone(), it.user_agent.as_deref()))
        .collect();
    assert_eq!(events, [("login", Some(sid.to_string()), Some("curl"))]);
}

async fn session_beyond_the_limit_ends_the_oldest_ones(it: Fixture) {
    let user = it.ada().await;
    let (grace, _) = it.insert("grace", "grace@example.com").await;
    let other = it.session(grace, NOW + 1000).await;
    let mut sids = Vec::new();
    for _ in 0..4 {
        sids.push(it.session(user.id, NOW + 1000).await);
    }
    it.session(user.id, NOW).await;
    it.end(sids.remove(0), NOW - 5).await;

    let sid = SessionId::generate();
    let session = NewSession { max_sessions: 2, ..new_session(&user, sid, NOW + 1000) };
    let records = login_records(&user, sid, Origin::default());
    let begin = {
        let (session, records) = (session.clone(), records.clone());
        move |connection: &mut _| {
            sessions::begin(connection, &session, &records, &Recorder::default())
        }
    };
    let mut ended = it.run(begin).await.unwrap();
    ended.sort();
    let oldest: Vec<_> = sids.drain(..2).map(|sid| (sid, NOW + 1000)).collect();
    assert_eq!(ended, oldest);
    let id = user.id.to_string();
    let mut live = it.live(id).await;
    live.sort();
    assert_eq!(live, [(sids[0], NOW + 1000), (sid, NOW + 1000)]);
    assert_eq!(it.live(grace.to_string()).await, [(other, NOW + 1000)]);

    let filter = Filter { event: Some("session_limit".into()), ..Filter::default() };
    let events = it.run(move |connection| audit::last(connection, &filter, 10)).await;
    let mut recorded: Vec<_> = events.into_iter().map(|it| (it.user_id, it.session_id)).collect();
    recorded.sort();
    let expected = oldest.iter().map(|(sid, _)| (Some(user.id.to_string()), Some(sid.to_string())));
    assert_eq!(recorded, expected.collect::<Vec<_>>());

    // A login that begins no session ends none.
    let late = SessionId::generate();
    let session = NewSession { sid: late, user_revision: 7, max_sessions: 1, ..session };
    let begin = move |connection: &mut _| {
        sessions::begin(connection, &session, &records, &Recorder::default())
    };
    assert_eq!(it.run(begin).await, None);
    let id = user.id.to_string();
    let live = it.run(move |connection| sessions::live_of_user(connection, &id, NOW)).await;
    assert_eq!(live.len(), 2);
}

async fn surplus_of_sessions_ends_in_batches(it: Fixture) {
    let user = it.ada().await;
    let keep = it.session(user.id, NOW + 1000).await;
    let id = user.id;
    it.sql(format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         INSERT INTO sessions (id, user_id, created_at, expires_at) \
         SELECT '01a20970-f552-76e1-be5b-00000000' || (1000 + i), '{id}', i, {NOW} + 1000 FROM n"
    ))
    .await;
    let id = id.to_string();
    let has_surplus = |id: String| {
        it.run(move |connection| sessions::has_surplus(connection, &id, Some(keep), NOW))
    };
    let cause = EndCause::LogoutEverywhere;
    for expected in [1000, 500, 0] {
        assert_eq!(has_surplus(id.clone()).await, expected > 0);
        let user = id.clone();
        let end = move |connection: &mut _| {
            sessions::end_surplus(connection, &user, Some(keep), cause, NOW)
        };
        assert_eq!(it.run(end).await.len(), expected);
    }
    let user = id.clone();
    let end =
        move |connection: &mut _| sessions::end_all(connection, &user, Some(keep), cause, NOW);
    assert_eq!(it.run(end).await.len(), 1000);
    assert_eq!(it.live(id).await, [(keep, NOW + 1000)]);
}

async fn session_records_how_and_when_its_user_authenticated(it: Fixture) {
    let user = it.ada().await;
    it.session(user.id, NOW + 1000).await;
    let recorded =
        format!("SELECT count(*) AS number FROM sessions WHERE amr = 'pwd' AND auth_time = {NOW}");
    assert_eq!(it.number(&recorded).await, 1);
}

async fn live_sessions_of_a_user_are_listed(it: Fixture) {
    let (ada, _) = it.insert("ada", "ada@example.com").await;
    let (grace, _) = it.insert("grace", "grace@example.com").await;
    let live = it.session(ada, NOW + 1000).await;
    it.end(it.session(ada, NOW + 1000).await, NOW).await;
    it.session(ada, NOW).await;
    it.session(grace, NOW + 1000).await;
    assert_eq!(it.live(ada.to_string()).await, [(live, NOW + 1000)]);
}

async fn expired_sessions_are_deleted_page_by_page(it: Fixture) {
    let (user, _) = it.insert("ada", "ada@example.com").await;
    for _ in 0..3 {
        it.session(user, NOW - 1).await;
    }
    it.session(user, NOW + 1).await;
    for deleted in [2, 1, 0] {
        let delete = |connection: &mut _| sessions::delete_expired(connection, NOW, 2);
        assert_eq!(it.run(delete).await, deleted);
    }
}

async fn generation_of_a_session_only_grows(it: Fixture) {
    let (user, _) = it.insert("ada", "ada@example.com").await;
    let used = it.session(user, NOW + 1000).await;
    let unused = it.session(user, NOW + 1000).await;
    let missing = SessionId::generate();
    for (generation, at, expected) in [(3, 30, (3, 30)), (2, 20, (3, 30)), (4, 40, (4, 40))] {
        let newest = TokenGeneration { generation, rotated_at_ms: at };
        let rows = [(missing, newest), (used, newest)];
        it.run(move |connection| sessions::record_use(connection, &rows, NOW + 5)).await;
        let progress = it.progress(used).await;
        assert_eq!((progress.generation, progress.rotated_at_ms), expected);
    }
    assert_eq!(it.progress(unused).await.generation, 0);
    let last_used = format!("SELECT last_used_at AS number FROM sessions WHERE id = '{used}'");
    assert_eq!(it.number(&last_used).await, NOW + 5);
    assert_eq!(it.run(move |connection| sessions::progress(connection, missing)).await, None);
    it.end(used, NOW).await;
    assert!(it.progress(used).await.has_ended);
}

async fn voiding_begins_the_next_epoch_of_a_live_session(it: Fixture) {
    let (user, _) = it.insert("ada", "ada@example.com").await;
    let live = it.session(user, NOW + 1000).await;
    let ended = it.session(user, NOW + 1000).await;
    it.end(ended, NOW).await;
    let newest = TokenGeneration { generation: 3, rotated_at_ms: 30 };
    it.run(move |connection| sessions::record_use(connection, &[(live, newest)], NOW)).await;
    for epoch in [1, 2] {
        let void = move |connection: &mut _| sessions::void(connection, live, NOW + 7);
        let (progress, auth_time_ms) = it.run(void).await.unwrap();
        assert_eq!((progress.generation, progress.rotated_at_ms), (epoch * EPOCH, NOW + 7));
        assert_eq!((progress, auth_time_ms), (it.progress(live).await, NOW));
    }
    assert_eq!(it.run(move |connection| sessions::void(connection, ended, NOW)).await, None);
    let voided = move |since: i64, after: Option<SessionId>| {
        move |connection: &mut _| sessions::voided_since(connection, since, after, NOW, 10)
    };
    let sids = |rows: Vec<Progress>| rows.iter().map(|row| row.sid).collect::<Vec<_>>();
    assert_eq!(sids(it.run(voided(NOW, None)).await), [live]);
    assert_eq!(sids(it.run(voided(NOW, Some(live))).await), []);
    assert_eq!(sids(it.run(voided(NOW + 7, None)).await), []);
}

impl Fixture {
    /// Returns the live sessions of a user, each with its latest possible end.
    async fn live(&self, user_id: String) -> Vec<(SessionId, i64)> {
        let query = move |connection: &mut _| sessions::live_of_user(connection, &user_id, NOW);
        self.run(query).await.iter().map(|it| (it.sid, it.expires_at_ms)).collect()
    }

    async fn progress(&self, sid: SessionId) -> Progress {
        let found = self.run(move |connection| sessions::progress(connection, sid)).await;
        found.expect("the session").0
    }
}
