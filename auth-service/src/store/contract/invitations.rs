//! Invitations are found until they expire, are replaced or are deleted.

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::store::invitations::{self, Invitation};

run_on_both_databases!(invitation_is_found_until_it_expires_or_is_deleted);

fn invitation(mac: &str, email: &str) -> Invitation {
    Invitation {
        mac: mac.into(),
        email: email.to_uppercase(),
        folded_email: email.into(),
        scope: "read".into(),
        roles: "editor".into(),
        mailed_at: Some(NOW),
        created_at: NOW,
        expires_at: NOW + 1000,
    }
}

async fn invite(it: &Fixture, mac: &str, email: &str) {
    let new = invitation(mac, email);
    it.run(move |connection| invitations::replace(connection, &new)).await;
}

async fn is_found(it: &Fixture, mac: &str, now_ms: i64) -> bool {
    let macs = ["another".to_owned(), mac.to_owned()];
    let found = it.run(move |connection| invitations::find(connection, &macs, now_ms)).await;
    let macs = [mac.to_owned()];
    let locked = it.run(move |connection| invitations::lock(connection, &macs, now_ms)).await;
    assert_eq!(found, locked);
    found.is_some()
}

async fn list(it: &Fixture, after: Option<&'static str>) -> Vec<String> {
    let list = move |connection: &mut _| invitations::list(connection, after, NOW, 1);
    it.run(list).await.into_iter().map(|found| found.mac).collect()
}

async fn invitation_is_found_until_it_expires_or_is_deleted(it: Fixture) {
    invite(&it, "first", "ada@example.com").await;
    invite(&it, "grace", "grace@example.com").await;
    assert!(is_found(&it, "first", NOW + 999).await);
    assert!(!is_found(&it, "first", NOW + 1000).await);
    assert!(!is_found(&it, "unknown", NOW).await);
    invite(&it, "second", "ada@example.com").await;
    assert!(!is_found(&it, "first", NOW).await);
    assert_eq!(list(&it, None).await, ["second"]);
    assert_eq!(list(&it, Some("ada@example.com")).await, ["grace"]);
    for deleted in [true, false] {
        let delete = |connection: &mut _| invitations::delete(connection, "ada@example.com");
        assert_eq!(it.run(delete).await, deleted);
    }
    assert!(!is_found(&it, "second", NOW).await);
    for (before, deleted) in [(NOW + 1000, 0), (NOW + 1001, 1)] {
        let delete = move |connection: &mut _| invitations::delete_expired(connection, before, 10);
        assert_eq!(it.run(delete).await, deleted);
    }
}
