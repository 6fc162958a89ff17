//! One-time codes are replaced, spent once, and void when their user changes.

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    credentials::PasswordHash,
    domain::one_time_code::CodePurpose,
    store::{
        one_time_codes::{self, NewCode},
        users::{self, PasswordReset, User},
    },
};

run_on_both_databases!(
    code_is_found_until_it_expires_is_replaced_or_is_spent,
    code_is_void_after_a_change_that_concerns_it,
);

fn code(user: &User, mac: &str) -> NewCode {
    NewCode {
        mac: mac.into(),
        user_id: user.id.to_string(),
        purpose: CodePurpose::ResetPassword,
        revision: user.revision,
        created_at_ms: NOW,
        expires_at_ms: NOW + 1000,
        email: None,
    }
}

/// Inserts a code for the user as the user is now.
async fn issue(it: &Fixture, user: &User, mac: &str) {
    let new = code(&it.user(user.id).await.unwrap(), mac);
    it.run(move |connection| one_time_codes::replace(connection, &new)).await;
}

/// Returns the revision of a code that is found.
async fn revision_of(it: &Fixture, mac: &str, now_ms: i64) -> Option<i64> {
    let macs = ["another".to_owned(), mac.to_owned()];
    let found = it.run(move |connection| one_time_codes::find(connection, &macs, now_ms)).await;
    found.map(|code| code.revision)
}

/// Returns whether the code sets a password.
async fn resets(it: &Fixture, user: &User, mac: &str) -> bool {
    let Some(revision) = revision_of(it, mac, NOW).await else { return false };
    let reset = PasswordReset {
        notice: None,
        proves_email: false,
        user_id: user.id.to_string(),
        revision,
        mac: mac.into(),
        new_hash: PasswordHash::from_stored("new".into()),
        at_ms: NOW,
    };
    it.run(move |connection| users::reset_password(connection, &reset)).await.is_some()
}

async fn code_is_found_until_it_expires_is_replaced_or_is_spent(it: Fixture) {
    let user = it.ada().await;
    issue(&it, &user, "first").await;
    assert_eq!(revision_of(&it, "first", NOW + 999).await, Some(0));
    assert_eq!(revision_of(&it, "first", NOW + 1000).await, None);
    issue(&it, &user, "second").await;
    assert_eq!(revision_of(&it, "first", NOW).await, None);
    let spend = |now| move |connection: &mut _| one_time_codes::spend(connection, "second", now);
    assert!(!it.run(spend(NOW + 1000)).await);
    assert!(it.run(spend(NOW)).await);
    assert!(!it.run(spend(NOW)).await);
    issue(&it, &user, "third").await;
    for (before, deleted) in [(NOW + 1000, 0), (NOW + 1001, 1)] {
        let delete =
            move |connection: &mut _| one_time_codes::delete_expired(connection, before, 10);
        assert_eq!(it.run(delete).await, deleted);
    }
}

async fn code_is_void_after_a_change_that_concerns_it(it: Fixture) {
    let user = it.ada().await;
    let id = user.id.to_string();
    // Scopes and roles do not concern it, nor does enabling the user.
    issue(&it, &user, "kept").await;
    let read = user.clone();
    assert!(it.run(move |db| users::set_claims(db, &read, "read", "admin", NOW)).await);
    assert!(resets(&it, &user, "kept").await);
    assert!(!resets(&it, &user, "kept").await, "the code is spent twice");
    assert_eq!(it.password(user.id).await.hash.as_str(), "new");

    issue(&it, &user, "disabled").await;
    for disabled in [true, false] {
        let id = id.clone();
        it.run(move |db| users::set_disabled(db, &id, disabled, NOW)).await.unwrap();
    }
    assert_eq!(revision_of(&it, "disabled", NOW).await, Some(2));
    let now = it.user(user.id).await.unwrap();
    assert_eq!(now.revision, 4);
    assert!(!resets(&it, &user, "disabled").await);

    // The operator's code is for the state after the password is void.
    let new = code(&now, "operator");
    assert_eq!(it.run(move |db| users::void_password(db, &new)).await, Some(vec![]));
    assert_eq!(it.password(user.id).await.hash.as_str(), "!");
    assert!(resets(&it, &user, "operator").await);

    let delete = id.clone();
    issue(&it, &user, "deleted").await;
    it.run(move |db| users::delete(db, &delete, NOW)).await;
    assert_eq!(revision_of(&it, "deleted", NOW).await, None);
}
