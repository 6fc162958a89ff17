//! Users are inserted and found.

use super::fixture::{Fixture, NOW, address, name, run_on_both_databases};
use crate::{
    domain::login_key::LoginKey,
    store::users::{self, InsertOutcome, Taken},
};

run_on_both_databases!(
    user_is_found_by_id_and_by_either_name,
    name_belongs_to_one_user,
    change_that_a_login_must_notice_advances_the_revision,
    name_of_a_deleted_user_is_kept,
);

async fn user_is_found_by_id_and_by_either_name(it: Fixture) {
    let (id, inserted) = it.insert("Zoë", "Zoe@example.com").await;
    assert_eq!(inserted, InsertOutcome::Inserted);
    let keys = [
        LoginKey::Username(name("ZOË").keys()),
        LoginKey::Email(address("zoe@EXAMPLE.com").keys()),
    ];
    for key in keys {
        let find = move |connection: &mut _| users::find_by_login(connection, &key);
        let user = it.run(find).await.unwrap();
        assert_eq!(
            (user.id, user.username.as_str(), user.email.as_str()),
            (id, "Zoë", "Zoe@example.com")
        );
    }
    let user = it.user(id).await.unwrap();
    assert_eq!((user.id, user.scope.as_str(), user.revision), (id, "", 0));
    assert_eq!(it.password(id).await.hash.as_str(), "hash");
    let unknown = LoginKey::Username(address("zoe@example.com").keys());
    let find = move |connection: &mut _| users::find_by_login(connection, &unknown);
    assert!(it.run(find).await.is_none());
}

async fn name_belongs_to_one_user(it: Fixture) {
    it.insert("ada", "ada@example.com").await;
    it.insert("straße", "ada@exämple.de").await;
    for (username, email, taken) in [
        ("STRAẞE", "other@example.com", Taken { username: true, email: false }),
        ("other", "Ada@xn--exmple-cua.de", Taken { username: false, email: true }),
        ("ADA", "other@example.com", Taken { username: true, email: false }),
        ("other", "ADA@example.com", Taken { username: false, email: true }),
        ("Ada", "Ada@Example.com", Taken { username: true, email: true }),
    ] {
        assert_eq!(it.insert(username, email).await.1, InsertOutcome::Taken(taken));
        let username = name(username);
        let email = address(email);
        let find = move |connection: &mut _| users::taken(connection, &username, &email);
        assert_eq!(it.run(find).await, taken);
    }
}

async fn change_that_a_login_must_notice_advances_the_revision(it: Fixture) {
    let user = it.ada().await;
    let id = user.id.to_string();
    let change = it.password_change(&user).await;
    let again = change.clone();
    it.run(move |connection| users::change_password(connection, &change)).await.unwrap();
    assert_eq!(it.user(user.id).await.unwrap().revision, 1);
    // Refused, because the user has changed since the old password was verified.
    assert_eq!(it.run(move |connection| users::change_password(connection, &again)).await, None);
    let read = it.user(user.id).await.unwrap();
    let set = move |connection: &mut _| users::set_claims(connection, &read, "read", "admin", NOW);
    assert!(it.run(set).await);
    assert_eq!(it.user(user.id).await.unwrap().revision, 2);
    for (disabled, revision) in [(true, 3), (false, 4)] {
        let id = id.clone();
        it.run(move |connection| users::set_disabled(connection, &id, disabled, NOW)).await;
        assert_eq!(it.user(user.id).await.unwrap().revision, revision);
    }
}

async fn name_of_a_deleted_user_is_kept(it: Fixture) {
    let id = it.ada().await.id.to_string();
    it.run(move |connection| users::delete(connection, &id, NOW)).await;
    let is_kept = async |username| {
        let username = name(username);
        it.run(move |connection| users::is_kept_name(connection, &username, users::NO_USER)).await
    };
    assert!(is_kept("ADA").await);
    assert!(!is_kept("grace").await);
    for (before, freed) in [(NOW, 0), (NOW + 1, 1)] {
        let free = move |connection: &mut _| users::free_names(connection, before, 10);
        assert_eq!(it.run(free).await, freed);
    }
    assert!(!is_kept("ada").await);
}
