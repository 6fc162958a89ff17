//! This version and the previous one run against one database during a rolling upgrade.

use uuid::Uuid;

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    credentials::PasswordHash,
    domain::login_key::LoginKey,
    store::{
        credentials,
        users::{self, InsertOutcome, Taken},
    },
};

run_on_both_databases!(
    change_by_the_previous_version_is_noticed,
    previous_version_reads_what_this_version_writes,
    names_of_the_previous_version_are_folded_and_stay_valid,
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

async fn names_of_the_previous_version_are_folded_and_stay_valid(it: Fixture) {
    // The previous version takes these for two names and for two addresses.
    let users =
        [("straße", "strasse", "ada@exämple.de"), ("STRAẞE", "straße", "ada@xn--exmple-cua.de")];
    let mut ids = Vec::new();
    for (username, key, email) in users {
        let id = Uuid::now_v7();
        it.sql(format!(
            "INSERT INTO users \
             (id, username, username_key, email, email_key, password_hash, created_at) VALUES \
             ('{id}', '{username}', '{key}', '{email}', '{email}', 'old', {NOW})"
        ))
        .await;
        ids.push(id);
    }
    let assert_found = async || {
        for ((username, _, email), id) in users.iter().zip(&ids) {
            for name in [username, email] {
                let key = LoginKey::parse(name).unwrap();
                let find = move |connection: &mut _| users::find_by_login(connection, &key);
                assert_eq!(it.run(find).await.unwrap().id, *id, "{name}");
            }
        }
    };
    assert_found().await;
    assert_eq!(it.run(|connection| users::fold_names(connection, 1)).await, 1);
    assert_eq!(it.run(|connection| users::fold_names(connection, 10)).await, 1);
    assert_eq!(it.run(|connection| users::fold_names(connection, 10)).await, 0);
    assert_found().await;
    // A spelling of a third kind belongs to the older user, and no other user gets it.
    let key = LoginKey::parse("STRASSE").unwrap();
    let find = move |connection: &mut _| users::find_by_login(connection, &key);
    assert_eq!(it.run(find).await.unwrap().id, ids[0]);
    let taken = Taken { username: true, email: true };
    let (_, outcome) = it.insert("StraSSe", "ADA@exämple.de").await;
    assert_eq!(outcome, InsertOutcome::Taken(taken));
}
