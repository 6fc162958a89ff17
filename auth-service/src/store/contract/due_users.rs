//! Accounts are deleted when they are due, and not before.

use diesel::prelude::*;
use uuid::Uuid;

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::store::users::{self, DueOutcome};

run_on_both_databases!(
    due_user_without_a_session_is_deleted,
    user_with_a_session_is_kept,
    user_who_asked_for_the_deletion_is_kept_after_a_later_login,
    session_that_the_request_ended_keeps_no_user,
    user_is_kept_while_a_change_of_address_can_be_undone,
    name_of_an_unverified_user_is_free_at_once,
    messages_that_were_given_up_are_deleted_with_their_user,
    proof_of_the_address_keeps_a_user,
    proof_of_the_address_cancels_no_deletion_that_the_user_asked_for
);

async fn set_delete_at(it: &Fixture, id: Uuid, at_ms: i64) {
    it.run(move |connection| users::set_delete_at(connection, &id.to_string(), at_ms)).await;
}

async fn request_deletion(it: &Fixture, id: Uuid, at_ms: i64) {
    let sql = format!(
        "UPDATE users SET deletion_requested_at = {at_ms}, delete_at = {at_ms} WHERE id = '{id}'"
    );
    it.run(move |connection| diesel::sql_query(sql).execute(connection)).await;
}

/// Deletes the users who are due. Returns their number.
async fn delete_due(it: &Fixture, now_ms: i64) -> usize {
    let due = it.run(move |connection| users::due_deletions(connection, now_ms, "", 10)).await;
    let mut deleted = 0;
    for id in due {
        let delete = move |connection: &mut _| users::delete_due(connection, &id, now_ms);
        deleted += usize::from(it.run(delete).await == DueOutcome::Deleted);
    }
    deleted
}

async fn due_user_without_a_session_is_deleted(it: Fixture) {
    let user = it.ada().await;
    it.insert("grace", "grace@example.com").await;
    assert_eq!(delete_due(&it, i64::MAX).await, 0);
    set_delete_at(&it, user.id, NOW).await;
    assert_eq!(delete_due(&it, NOW - 1).await, 0);
    assert_eq!(delete_due(&it, NOW).await, 1);
    assert_eq!(it.user(user.id).await, None);
    assert_eq!(it.number("SELECT count(*) AS number FROM users").await, 1);
}

async fn user_with_a_session_is_kept(it: Fixture) {
    let user = it.ada().await;
    set_delete_at(&it, user.id, NOW).await;
    it.session(user.id, NOW + 1000).await;
    assert_eq!(delete_due(&it, NOW).await, 0);
    // The account is in use, so its time does not come later either.
    assert_eq!(delete_due(&it, i64::MAX).await, 0);
    assert!(it.user(user.id).await.is_some());
}

async fn user_who_asked_for_the_deletion_is_kept_after_a_later_login(it: Fixture) {
    let (ada, _) = it.insert("ada", "ada@example.com").await;
    let (grace, _) = it.insert("grace", "grace@example.com").await;
    it.session(ada, NOW + 1000).await;
    it.session(grace, NOW + 1000).await;
    // The session of the one began before the request, that of the other after it.
    request_deletion(&it, ada, NOW + 1).await;
    request_deletion(&it, grace, NOW - 1).await;
    assert_eq!(delete_due(&it, NOW + 1000).await, 1);
    assert_eq!(it.user(ada).await, None);
    assert!(it.user(grace).await.is_some());
}

async fn session_that_the_request_ended_keeps_no_user(it: Fixture) {
    let (ada, _) = it.insert("ada", "ada@example.com").await;
    let (grace, _) = it.insert("grace", "grace@example.com").await;
    for (user, cause) in [(ada, "deletion_requested"), (grace, "logout")] {
        it.session(user, NOW + 1000).await;
        request_deletion(&it, user, NOW - 1).await;
        // The clock of the replica that began the session was ahead.
        it.sql(format!(
            "UPDATE sessions SET revoked_at = {NOW} - 1, revoked_cause = '{cause}' \
             WHERE user_id = '{user}'"
        ))
        .await;
    }
    assert_eq!(delete_due(&it, NOW).await, 1);
    assert_eq!(it.user(ada).await, None);
    assert!(it.user(grace).await.is_some());
}

async fn user_is_kept_while_a_change_of_address_can_be_undone(it: Fixture) {
    let user = it.ada().await;
    request_deletion(&it, user.id, NOW).await;
    it.sql(format!(
        "INSERT INTO one_time_codes (mac, user_id, purpose, revision, created_at, expires_at) \
         VALUES ('mac', '{}', 'undo_email_change', 0, {NOW}, {NOW} + 1000)",
        user.id
    ))
    .await;
    assert_eq!(delete_due(&it, NOW + 999).await, 0);
    assert_eq!(delete_due(&it, NOW + 1000).await, 1);
}

async fn name_of_an_unverified_user_is_free_at_once(it: Fixture) {
    let (ada, _) = it.insert("ada", "ada@example.com").await;
    let (grace, _) = it.insert("grace", "grace@example.com").await;
    set_delete_at(&it, ada, NOW).await;
    request_deletion(&it, grace, NOW).await;
    assert_eq!(delete_due(&it, NOW).await, 2);
    let kept = "SELECT count(*) AS number FROM deleted_users WHERE username = ";
    assert_eq!(it.number(&format!("{kept}'ada'")).await, 0);
    assert_eq!(it.number(&format!("{kept}'grace'")).await, 1);
}

async fn messages_that_were_given_up_are_deleted_with_their_user(it: Fixture) {
    let user = it.ada().await;
    for (id, given_up_at) in [("1", "NULL"), ("2", "1")] {
        it.sql(format!(
            "INSERT INTO outbox (id, kind, topic, user_id, sealed, created_at, due_at, attempts, \
             given_up_at) VALUES ('{id}', 'mail', 'test', '{}', 'x', 1, 1, 1, {given_up_at})",
            user.id
        ))
        .await;
    }
    let id = user.id.to_string();
    it.run(move |connection| users::delete(connection, &id, NOW)).await;
    assert_eq!(it.number("SELECT count(*) AS number FROM outbox").await, 1);
}

async fn proof_of_the_address_cancels_no_deletion_that_the_user_asked_for(it: Fixture) {
    let user = it.ada().await;
    request_deletion(&it, user.id, NOW).await;
    let id = user.id.to_string();
    assert!(it.run(move |connection| users::prove_email(connection, &id, NOW)).await);
    assert_eq!(delete_due(&it, NOW).await, 1);
}

async fn proof_of_the_address_keeps_a_user(it: Fixture) {
    let user = it.ada().await;
    let id = user.id.to_string();
    set_delete_at(&it, user.id, NOW).await;
    let verify = move |connection: &mut _| users::set_email_verified(connection, &id, 0, NOW);
    assert!(it.run(verify).await);
    assert_eq!(delete_due(&it, NOW).await, 0);
    let id = user.id.to_string();
    set_delete_at(&it, user.id, NOW).await;
    assert!(!it.run(move |connection| users::prove_email(connection, &id, NOW)).await);
    assert_eq!(delete_due(&it, NOW).await, 0);
    assert!(it.user(user.id).await.is_some());
}
