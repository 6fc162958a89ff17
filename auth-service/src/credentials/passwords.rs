//! Hashing and verification of passwords, in the bounded pool.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::{
    hash_job::HashJob,
    hash_kind::HashKind,
    hash_mix::HashMix,
    hash_pool::{HashPool, HashPoolBusy, QueuePermit},
    password_hash::PasswordHash,
};
use crate::domain::{address::AddressPrefix, password::Password};

/// Hashes and verifies passwords at one cost.
#[derive(Clone)]
pub struct Passwords {
    pool: HashPool,
    cost: u32,
    /// Key of the MACs that draw the dummy hash of a name.
    dummy_key: hmac::Key,
    mix: Arc<ArcSwap<HashMix>>,
}

/// Outcome of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The password is wrong, or there is no stored hash.
    Wrong,
    /// The password is right, and its hash is current.
    Right,
    /// The password is right, and its hash is of an older kind or cost, or of a form that is not
    /// normalized: this hash replaces it.
    RightWithNewHash(PasswordHash),
}

impl Passwords {
    /// `dummy_secret` keys the draw of the dummy hash of a name, so that no client can predict it.
    pub fn new(pool: HashPool, cost: u32, dummy_secret: &[u8; 32]) -> Self {
        let dummy_key = hmac::Key::new(HMAC_SHA256, dummy_secret);
        Self { pool, cost, dummy_key, mix: Arc::default() }
    }

    /// Returns the numbers of stored hashes of each kind, which a background task replaces.
    pub fn mix(&self) -> &Arc<ArcSwap<HashMix>> {
        &self.mix
    }

    /// Waits for a place in the queue of the pool. Callers read the database after this call, so
    /// that a flood of logins does not reach the database either. Clients with different addresses
    /// get places in turns.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if no place becomes free within a second.
    pub async fn queue(&self, client: AddressPrefix) -> Result<QueuePermit, HashPoolBusy> {
        self.pool.acquire(client).await
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if the job panicked.
    pub async fn hash(
        &self,
        permit: QueuePermit,
        password: &Password,
    ) -> Result<PasswordHash, HashPoolBusy> {
        self.pool.run(permit, PasswordHash::hash(password, self.cost)).await
    }

    /// Verifies a password at login. Without a stored hash, a dummy hash is verified: of a kind that
    /// stored hashes have, and always of the same kind for the same `name`. So the time of a
    /// refusal does not show whether the name is known.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if the job panicked.
    pub async fn verify(
        &self,
        permit: QueuePermit,
        stored: Option<&PasswordHash>,
        name: &[u8],
        password: Password,
    ) -> Result<Verification, HashPoolBusy> {
        self.pool.run(permit, self.verification(stored, name, password)).await
    }

    fn verification(
        &self,
        stored: Option<&PasswordHash>,
        name: &[u8],
        password: Password,
    ) -> HashJob<Verification> {
        let Some(hash) = stored.filter(|hash| hash.is_well_formed()) else {
            let dummy = PasswordHash::dummy(self.dummy_kind(name));
            // As many hashes as for a stored one.
            return find_form(&password, move |form| dummy.verify(form))
                .map(|_| Verification::Wrong);
        };
        let cost = self.cost;
        let is_current = hash.is_current(cost);
        let hash = hash.clone();
        find_form(&password, move |form| hash.verify(form)).then(move |form| match form {
            Some(Form::Normalized) if is_current => HashJob::Done(Verification::Right),
            Some(_) => PasswordHash::hash(&password, cost).map(Verification::RightWithNewHash),
            None => HashJob::Done(Verification::Wrong),
        })
    }

    /// Returns the kind of the dummy hash of a name.
    fn dummy_kind(&self, name: &[u8]) -> HashKind {
        let mac = hmac::sign(&self.dummy_key, name);
        let point = mac.as_ref()[..8].try_into().expect("a prefix of 32 bytes");
        let drawn = self.mix.load().draw(u64::from_be_bytes(point));
        drawn.unwrap_or(HashKind::Bcrypt(self.cost))
    }

    /// Verifies the current password of an authenticated user and hashes the next. Returns `None`
    /// if the current password is wrong.
    ///
    /// # Errors
    /// [`HashPoolBusy`] if the job panicked.
    pub async fn replace(
        &self,
        permit: QueuePermit,
        stored: &PasswordHash,
        current: &Password,
        next: Password,
    ) -> Result<Option<PasswordHash>, HashPoolBusy> {
        let cost = self.cost;
        let stored = stored.clone();
        let verify = move |password: &Password| stored.verify(password);
        let job = find_form(current, verify).then(move |form| match form {
            Some(_) => PasswordHash::hash(&next, cost).map(Some),
            None => HashJob::Done(None),
        });
        self.pool.run(permit, job).await
    }
}

/// The form of a password that a hash was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Normalized,
    /// As the user typed it: the hash is from version 0.1.0 or from another program.
    AsTyped,
}

/// Returns a job that verifies a password in its normalized form and, if that is another, as the
/// user typed it. The number of attempts for a wrong password depends on the typed text alone, so
/// that the time reveals nothing about the stored hash.
fn find_form(
    password: &Password,
    verify: impl Fn(&Password) -> HashJob<bool> + Send + 'static,
) -> HashJob<Option<Form>> {
    let normalized = password.normalized();
    let is_normalized = normalized.as_bytes() == password.as_bytes();
    let typed = (!is_normalized).then(|| password.clone());
    verify(&normalized).then(move |matches| match (matches, typed) {
        (true, _) => HashJob::Done(Some(Form::Normalized)),
        (false, None) => HashJob::Done(None),
        (false, Some(typed)) => verify(&typed).map(|matches| matches.then_some(Form::AsTyped)),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::credentials::HashPoolMetrics;

    fn passwords(forms: &[(&str, u64)]) -> Passwords {
        let pool = HashPool::start(1, 1, HashPoolMetrics::default()).unwrap();
        let passwords = Passwords::new(pool, 4, &[7; 32]);
        let mut mix = HashMix::default();
        forms.iter().for_each(|(form, count)| mix.add(form, *count));
        passwords.mix().store(Arc::new(mix));
        passwords
    }

    /// Returns the hashes that a job computes if the password is wrong.
    fn hashes(mut job: HashJob<Verification>) -> Vec<&'static str> {
        let mut hashes = Vec::new();
        loop {
            job = match job {
                HashJob::Done(verification) => {
                    assert_eq!(verification, Verification::Wrong);
                    return hashes;
                }
                HashJob::Bcrypt(_, finish) => {
                    hashes.push("bcrypt");
                    finish([0; 23])
                }
                HashJob::Other(kind, compute) => {
                    hashes.push(kind);
                    compute()
                }
            }
        }
    }

    fn wrong() -> Password {
        Password::parse("wrong".into()).unwrap()
    }

    #[test]
    fn unknown_names_cost_the_kinds_of_hashes_that_are_stored() {
        let passwords =
            passwords(&[("bcrypt_sha256$$2b$04$", 700), ("pbkdf2_sha256$10$", 300), ("!", 500)]);
        let mut counts = BTreeMap::new();
        for number in 0..2000 {
            let name = format!("name{number}");
            let cost = || hashes(passwords.verification(None, name.as_bytes(), wrong()));
            let first = cost();
            assert_eq!(first, cost(), "{name}");
            *counts.entry(first).or_insert(0) += 1;
        }
        let pbkdf2 = counts[&vec!["pbkdf2"]];
        assert_eq!(pbkdf2 + counts[&vec!["bcrypt"]], 2000);
        // 600 are expected, with a standard deviation of 20.
        assert!((500..700).contains(&pbkdf2), "{counts:?}");
    }

    #[test]
    fn wrong_password_costs_the_stored_hash_and_nothing_else() {
        let passwords = passwords(&[("bcrypt_sha256$$2b$04$", 1), ("pbkdf2_sha256$10$", 1)]);
        for (form, cost) in [
            (
                "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232",
                "bcrypt",
            ),
            ("$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232", "bcrypt"),
            ("pbkdf2_sha256$10$salt$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "pbkdf2"),
        ] {
            let stored = PasswordHash::from_stored(form.into());
            for number in 0..50 {
                let name = format!("name{number}");
                let job = passwords.verification(Some(&stored), name.as_bytes(), wrong());
                assert_eq!(hashes(job), [cost], "{form}");
            }
        }
    }

    #[test]
    fn stored_text_that_is_no_hash_costs_what_an_unknown_name_costs() {
        let passwords = passwords(&[("bcrypt_sha256$$2b$04$", 1), ("pbkdf2_sha256$10$", 1)]);
        let unusable = PasswordHash::from_stored("!unusable".into());
        for number in 0..50 {
            let name = format!("name{number}");
            let cost = |stored| hashes(passwords.verification(stored, name.as_bytes(), wrong()));
            assert_eq!(cost(Some(&unusable)), cost(None));
        }
    }

    #[test]
    fn unknown_names_cost_the_current_kind_while_no_hash_is_stored() {
        let passwords = passwords(&[]);
        assert_eq!(hashes(passwords.verification(None, b"ada", wrong())), ["bcrypt"]);
    }
}
