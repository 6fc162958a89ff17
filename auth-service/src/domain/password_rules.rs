//! Rules for new passwords: length, commonness and the user's own words decide, composition does
//! not (NIST SP 800-63B-4 section 3.1.1.2).

use std::cmp::Ordering;

use zeroize::Zeroizing;

use super::fold::fold;

/// Maximum length of a new password, in bytes as the user typed it.
pub const MAX_BYTES: usize = 1024;

/// Minimum length of a word of the service or of an email address's domain, in characters. Shorter
/// words, such as `www`, stand in many passwords by chance.
const MIN_HOST_WORD: usize = 4;
/// Minimum length of a word of a user's name, in characters.
const MIN_NAME_WORD: usize = 3;
/// Minimum number of characters that a password has besides such words.
const MIN_OTHER_CHARS: usize = 6;

/// The 19,640 most common passwords, in lower case and in byte order: Django's list, which Royce
/// Williams compiled from breaches.
const COMMON: &str = include_str!("common-passwords.txt");

/// Rules for new passwords.
#[derive(Clone, Debug, Default)]
pub struct PasswordRules {
    min_chars: usize,
    /// The folded words of the service's name.
    service_words: Vec<String>,
}

impl PasswordRules {
    /// Creates the rules of the service of this host, for passwords of at least `min_chars`
    /// characters.
    pub fn new(min_chars: usize, host: &str) -> Self {
        Self { min_chars, service_words: words(host, MIN_HOST_WORD) }
    }

    /// Returns one message for the client for each rule that the password breaks, given in NFKC.
    pub(super) fn broken_by(&self, password: &str) -> Vec<String> {
        let mut errors = Vec::new();
        if password.chars().count() < self.min_chars {
            let limit = format!("It must contain at least {} characters.", self.min_chars);
            errors.push(format!("This password is too short. {limit}"));
        }
        if is_common(&Zeroizing::new(fold(password))) {
            errors.push("This password is too common.".into());
        }
        if is_one_character(password) {
            errors.push("This password repeats one character.".into());
        }
        if is_made_of(password, self.service_words.clone()) {
            errors.push("This password is too similar to the name of the service.".into());
        }
        errors
    }

    /// Returns whether the password is made of words of the user's names and of the service's name.
    pub(super) fn is_made_of_names(&self, password: &str, username: &str, email: &str) -> bool {
        let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
        let mut all = self.service_words.clone();
        all.extend(words(username, MIN_NAME_WORD));
        all.extend(words(local, MIN_NAME_WORD));
        all.extend(words(domain, MIN_HOST_WORD));
        all.push(without_separators(&fold(email)));
        is_made_of(password, all)
    }
}

/// Returns the words of a name of at least `min_chars` characters: the whole, and its parts.
fn words(name: &str, min_chars: usize) -> Vec<String> {
    let folded = fold(name);
    let parts = folded.split(|c: char| !c.is_alphanumeric());
    let parts = parts.map(str::to_owned).chain([without_separators(&folded)]);
    let is_word =
        |word: &String| word.chars().count() >= min_chars && word.chars().any(char::is_alphabetic);
    parts.filter(is_word).collect()
}

fn without_separators(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !"_.-".contains(*c)).collect()
}

/// Returns whether the password contains one of these words, and too little else.
fn is_made_of(password: &str, mut words: Vec<String>) -> bool {
    // The longest word first, because it may contain the others.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let whole = Zeroizing::new(without_separators(&Zeroizing::new(fold(password))));
    let without =
        |rest: Zeroizing<String>, word: &String| Zeroizing::new(rest.replace(word.as_str(), ""));
    let rest = words.iter().fold(whole.clone(), without);
    rest.len() < whole.len()
        && (rest.chars().count() < MIN_OTHER_CHARS || is_common(&rest) || is_one_character(&rest))
}

fn is_one_character(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    first.is_some_and(|first| chars.all(|c| c == first))
}

/// Searches [`COMMON`] with a binary search in the text itself, so that no index takes memory.
pub(super) fn is_common(password: &str) -> bool {
    let list = COMMON.as_bytes();
    let mut from = 0;
    let mut to = list.len();
    while from < to {
        let middle = (from + to) / 2;
        let newline_before = list[..middle].iter().rposition(|&byte| byte == b'\n');
        let newline_after = list[middle..].iter().position(|&byte| byte == b'\n');
        let start = newline_before.map_or(0, |newline| newline + 1);
        let end = newline_after.map_or(list.len(), |newline| middle + newline);
        match list[start..end].cmp(password.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => from = end + 1,
            Ordering::Greater => to = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_password_is_found_and_no_other_text() {
        assert!(COMMON.lines().count() >= 10_000);
        assert!(COMMON.lines().is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
        for line in COMMON.lines() {
            assert!(is_common(line), "{line}");
            assert!(!is_common(&format!("{line}\u{1}")), "{line}");
        }
        for rare in ["", "\n", "correct horse battery", "~~~~~~~~~~~", "password\n"] {
            assert!(!is_common(rare), "{rare:?}");
        }
    }

    #[test]
    fn password_of_the_services_words_or_of_one_character_is_refused() {
        let rules = PasswordRules::new(8, "login.acme-bank.example");
        for bad in
            ["AcmeBank2026", "acme-bank!", "loginlogin", "~~~~~~~~~", "ÄÄÄÄÄÄÄÄ", "Bank-123456"]
        {
            assert!(!rules.broken_by(bad).is_empty(), "{bad}");
        }
        for good in ["acme correct horse", "a riverbank in may", "~~~~~~~~!", "nul\0is\0fine"] {
            assert_eq!(rules.broken_by(good), Vec::<String>::new(), "{good}");
        }
        assert!(!PasswordRules::new(15, "").broken_by("fourteen chars").is_empty());
        // Addresses are no names.
        assert!(PasswordRules::new(8, "127.0.0.1").broken_by("x127.0.0.1x").is_empty());
    }

    #[test]
    fn password_of_the_users_words_is_refused() {
        let rules = PasswordRules::new(8, "auth.example.com");
        let is_refused = |password: &str| {
            rules.is_made_of_names(password, "ada.lovelace", "countess@babbage.org")
        };
        for bad in [
            "Ada.Lovelace",
            "ada-lovelace-1815",
            "LOVELACE123456",
            "lovelace!!!!!!!!",
            "Countess@Babbage.org",
            "countess1852",
            "babbageADA1",
            "lovelace example",
        ] {
            assert!(is_refused(bad), "{bad}");
        }
        for good in ["lovelace of the engine", "correct horse battery", "canada goose"] {
            assert!(!is_refused(good), "{good}");
        }
    }
}
