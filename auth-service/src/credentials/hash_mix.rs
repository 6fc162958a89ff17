//! The kinds of the stored hashes, from which the dummy hash of an unknown name is drawn.
//!
//! Hashes of different kinds take different times. If a dummy hash always were of the current kind,
//! its time would differ from that of an imported user who has not logged in yet, and would show
//! that the imported user exists. So the dummy hash of a name is of a kind that stored hashes have,
//! as often as they have it, and always of the same kind for the same name.

use std::collections::BTreeMap;

use super::hash_kind::HashKind;

/// Number of stored hashes of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashMix {
    counts: BTreeMap<HashKind, u64>,
}

impl HashMix {
    /// Adds hashes of a kind. `form` is the start of their stored text: algorithm and cost. Text
    /// that is no hash is left out, because its user is treated like an unknown one.
    pub fn add(&mut self, form: &str, count: u64) {
        if let Some(kind) = HashKind::parse(form) {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    /// Returns the kind at a point between 0 and `u64::MAX`, with the kinds side by side in
    /// proportion to their counts. `None` without any stored hash.
    ///
    /// The kinds have a fixed order. While users move from an older kind to the current one, a
    /// point moves at most once too.
    pub fn draw(&self, point: u64) -> Option<HashKind> {
        let total: u64 = self.counts.values().sum();
        let mut left = ((u128::from(point) * u128::from(total)) >> 64) as u64;
        self.counts.iter().find_map(|(kind, count)| {
            if left < *count {
                return Some(*kind);
            }
            left -= count;
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const BCRYPT_12: HashKind = HashKind::Bcrypt(12);
    const PBKDF2: HashKind = HashKind::Pbkdf2(NonZeroU32::new(600_000).unwrap());

    fn mix(forms: &[(&str, u64)]) -> HashMix {
        let mut mix = HashMix::default();
        forms.iter().for_each(|(form, count)| mix.add(form, *count));
        mix
    }

    #[test]
    fn kinds_are_drawn_as_often_as_they_are_stored() {
        let mix = mix(&[
            ("bcrypt_sha256$$2b$12$", 1),
            ("$2y$12$", 1),
            ("bcrypt$$2b$12$", 1),
            ("pbkdf2_sha256$600000$", 1),
            ("", 100),
            ("argon2$", 100),
        ]);
        let drawn = |point: u64| mix.draw(point).unwrap();
        let quarter = u64::MAX / 4;
        assert_eq!([drawn(0), drawn(3 * quarter)], [BCRYPT_12, BCRYPT_12]);
        assert_eq!([drawn(3 * quarter + 4), drawn(u64::MAX)], [PBKDF2, PBKDF2]);
    }

    #[test]
    fn nothing_is_drawn_without_stored_hashes() {
        assert_eq!(HashMix::default().draw(7), None);
        assert_eq!(mix(&[("!", 3)]).draw(u64::MAX), None);
    }

    #[test]
    fn point_moves_from_the_old_kind_to_the_current_one_at_most_once() {
        for point in [0, u64::MAX / 7, u64::MAX / 3, u64::MAX / 2, u64::MAX - 5, u64::MAX] {
            let drawn = (0..=10).map(|moved| {
                mix(&[("bcrypt_sha256$$2b$12$", moved), ("pbkdf2_sha256$600000$", 10 - moved)])
                    .draw(point)
                    .unwrap()
            });
            let kinds: Vec<HashKind> = drawn.collect();
            assert!(kinds.is_sorted_by_key(|kind| *kind == BCRYPT_12), "{point} {kinds:?}");
        }
    }
}
