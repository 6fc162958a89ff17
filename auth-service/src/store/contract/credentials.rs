//! Password hashes are replaced, and the use of credentials is recorded.

use std::collections::BTreeMap;

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    credentials::PasswordHash,
    store::credentials::{self, StoredPassword},
};

run_on_both_databases!(
    hash_is_replaced_unless_the_password_has_changed,
    last_use_of_a_credential_is_recorded,
    hashes_are_counted_by_algorithm_and_cost,
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

async fn hashes_are_counted_by_algorithm_and_cost(it: Fixture) {
    let stored = [
        ("bcrypt_sha256$$2b$12$abcdefghijkl$2", "bcrypt_sha256$$2b$12$"),
        ("bcrypt_sha256$$2b$12$mnopqrstuvwx", "bcrypt_sha256$$2b$12$"),
        ("bcrypt$$2b$06$abcdefghijkl", "bcrypt$$2b$06$"),
        ("$2y$10$abcdefghijkl", "$2y$10$"),
        ("pbkdf2_sha256$1000000$seasalt$abc", "pbkdf2_sha256$1000000$"),
        ("pbkdf2_sha256$36000$x$abc", "pbkdf2_sha256$36000$"),
        ("pbkdf2_sha256$36000$y$abc", "pbkdf2_sha256$36000$"),
        ("pbkdf2_sha256$0", "pbkdf2_sha256$0$"),
        ("pbkdf2_sha1$36000$y$abc", "pbkdf2_sha1$36000$"),
        ("argon2$argon2id$v=19$m=8,t=1,p=1$salt$x", "argon2$argon2id$v=19$m=8,t=1,p=1$"),
        ("$argon2i$v=19$m=8,t=1,p=1$salt$x", "$argon2i$v=19$m=8,t=1,p=1$"),
        ("scrypt$16384$salt$8$5$x", "scrypt$16384$$8$5$"),
        ("$scrypt$ln=14,r=8,p=5$salt$x", "$scrypt$ln=14,r=8,p=5$"),
        ("!unusable", ""),
        ("argon3$argon2id$v=19$m=1", ""),
        ("", ""),
    ];
    let mut expected = BTreeMap::new();
    for (number, (data, form)) in stored.iter().enumerate() {
        let (id, _) = it.insert(&format!("name{number}"), &format!("{number}@example.com")).await;
        it.sql(format!("UPDATE credentials SET data = '{data}' WHERE user_id = '{id}'")).await;
        *expected.entry((*form).to_owned()).or_insert(0) += 1;
    }
    let mut counted = BTreeMap::new();
    let mut after = String::new();
    loop {
        let start = after.clone();
        let page = it.run(move |connection| credentials::hash_forms(connection, &start, 4)).await;
        let Some(last) = page.iter().map(|form| form.last_id.clone()).max() else { break };
        assert!(page.iter().map(|form| form.count).sum::<i64>() <= 4, "{page:?}");
        after = last;
        for form in page {
            *counted.entry(form.form).or_insert(0) += form.count;
        }
    }
    assert_eq!(counted, expected);
}
