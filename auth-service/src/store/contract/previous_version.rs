//! This version and the previous one run against one database during a rolling upgrade.

use uuid::Uuid;

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    credentials::PasswordHash,
    store::{credentials, users},
};

run_on_both_databases!(
    change_by_the_previous_version_is_noticed,
    previous_version_reads_what_this_version_writes,
);

async fn change_by_the_previous_version_is_noticed(it: Fixture) {
    let id = Uuid::now_v7();
    it.sql(format!(
        "INSERT INTO users \
         (id, username, username_key, email, email_key, password_hash, created_at) VALUES \
         ('{id}', 'ada', 'ada', 'ada@example.com', 'ada@example.com', 'old', {NOW})"
    ))
    .await;
    assert_eq!(it.password(id).await.hash.as_str(), "old");
    for (set, revision) in [
        ("password_hash = 'newer'", 1),
        ("scope = 'read', roles = 'admin'", 2),
        ("disabled_at = 1", 3),
        // Sets values that the row has already.
        ("password_hash = 'newer', scope = 'read'", 3),
    ] {
        it.sql(format!("UPDATE users SET {set} WHERE id = '{id}'")).await;
        assert_eq!(it.user(id).await.unwrap().revision, revision, "{set}");
    }
    assert_eq!(it.password(id).await.hash.as_str(), "newer");
    it.sql(format!("DELETE FROM users WHERE id = '{id}'")).await;
    assert_eq!(it.number("SELECT count(*) AS number FROM credentials").await, 0);
}

async fn previous_version_reads_what_this_version_writes(it: Fixture) {
    let user = it.ada().await;
    let equal = "SELECT count(*) AS number FROM users \
         JOIN credentials ON user_id = users.id AND data = password_hash";
    assert_eq!(it.number(equal).await, 1);

    let change = it.password_change(&user).await;
    it.run(move |connection| users::change_password(connection, &change)).await.unwrap();
    assert_eq!(it.number(equal).await, 1);

    let id = user.id.to_string();
    let old = it.password(user.id).await;
    let new = PasswordHash::from_stored("newest".into());
    it.run(move |connection| credentials::rehash(connection, &id, &old, &new)).await;
    assert_eq!(it.number(equal).await, 1);
    assert_eq!(it.password(user.id).await.hash.as_str(), "newest");
}
