//! Password hashes are replaced, and the use of credentials is recorded.

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    credentials::PasswordHash,
    store::credentials::{self, StoredPassword},
};

run_on_both_databases!(
    hash_is_replaced_unless_the_password_has_changed,
    last_use_of_a_credential_is_recorded,
);

async fn hash_is_replaced_unless_the_password_has_changed(it: Fixture) {
    let (id, _) = it.insert("ada", "ada@example.com").await;
    for (old, new, expected) in [("hash", "newer", "newer"), ("hash", "late", "newer")] {
        let hash = PasswordHash::from_stored(old.into());
        let old = StoredPassword { hash, ..it.password(id).await };
        let new = PasswordHash::from_stored(new.into());
        let rehash =
            move |connection: &mut _| credentials::rehash(connection, &id.to_string(), &old, &new);
        it.run(rehash).await;
        assert_eq!(it.password(id).await.hash.as_str(), expected);
        // A login need not notice this change.
        assert_eq!(it.user(id).await.unwrap().revision, 0);
    }
}

async fn last_use_of_a_credential_is_recorded(it: Fixture) {
    let user = it.ada().await;
    let ids = vec![it.password(user.id).await.id];
    let used = format!("SELECT count(*) AS number FROM credentials WHERE last_used_at = {NOW}");
    assert_eq!(it.number(&used).await, 0);
    it.run(move |connection| credentials::touch(connection, &ids, NOW)).await;
    assert_eq!(it.number(&used).await, 1);
}
