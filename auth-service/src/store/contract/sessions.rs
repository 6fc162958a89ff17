//! Sessions begin, are listed, and expire.

use uuid::Uuid;

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::store::{
    audit::{self, Filter},
    sessions,
    users::{self, User},
};

run_on_both_databases!(
    session_begins_unless_the_user_has_changed,
    session_records_how_and_when_its_user_authenticated,
    live_sessions_of_a_user_are_listed,
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
    let ada = ada.to_string();
    let found = it.run(move |connection| sessions::live_of_user(connection, &ada, NOW)).await;
    assert_eq!(found, [(live, NOW + 1000)]);
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
