//! Changes of scopes and roles are listed until session state is marked.

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::store::users;

run_on_both_databases!(changed_claims_are_listed_until_they_are_marked);

async fn changed_claims_are_listed_until_they_are_marked(it: Fixture) {
    let (ada, _) = it.insert("ada", "ada@example.com").await;
    it.insert("grace", "grace@example.com").await;
    let changed = |unmarked_only| {
        let list = move |c: &mut _| users::with_changed_claims(c, None, unmarked_only, 10);
        it.run(list)
    };
    let mark =
        || it.run(move |connection| users::set_claims_marked(connection, &ada.to_string(), NOW));
    assert_eq!(changed(false).await, []);

    let first_read = it.user(ada).await.unwrap();
    let stale_read = first_read.clone();
    let set = move |c: &mut _| users::set_claims(c, &first_read, "read write", "editor", NOW);
    assert!(it.run(set).await);
    // Refused, because the user has changed since this caller read it.
    assert!(!it.run(move |c| users::set_claims(c, &stale_read, "", "", NOW)).await);
    let user = it.user(ada).await.unwrap();
    assert_eq!((user.scope.as_str(), user.roles.as_str()), ("read write", "editor"));

    let first_change = [(ada.to_string(), NOW)];
    assert_eq!(changed(true).await, first_change);
    mark().await;
    assert_eq!(changed(true).await, []);
    assert_eq!(changed(false).await, first_change);

    // A later change by a clock that is behind, and then the mark of the earlier change.
    assert!(it.run(move |c| users::set_claims(c, &user, "", "", NOW - 1000)).await);
    mark().await;
    assert_eq!(changed(true).await, [(ada.to_string(), NOW + 1)]);
}
