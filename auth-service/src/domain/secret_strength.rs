//! Secrets that are easy to guess: typed texts rather than random ones.
//!
//! No rule refuses 32 random bytes in hexadecimal digits, base32 or base64, except with a
//! probability below 2⁻⁴⁰.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::password_rules::is_common;

/// Maximum number of different characters in a secret that is easy to guess. 32 hexadecimal digits
/// have at most five with a probability of 2⁻⁴¹.
const MAX_FEW_CHARS: usize = 5;
/// Longest text whose repetition is noticed.
const MAX_PERIOD: usize = 16;
/// Longest run of letters that counts as a word. Base32 has longer runs by chance.
const MAX_WORD: usize = 20;
/// Minimum length of a common password that counts as a word inside a secret.
const MIN_COMMON: usize = 6;

/// Words of placeholders that are not common passwords.
const PLACEHOLDER_WORDS: [&str; 6] =
    ["development", "example", "insecure", "placeholder", "replace", "signing"];

/// Returns why a secret is easy to guess, as the end of a sentence about the secret. `None`: no
/// rule notices a weakness.
pub fn weakness(secret: &str) -> Option<&'static str> {
    weakness_of(secret.as_bytes()).or_else(|| {
        let is_weak = |decoded: Vec<u8>| decoded.is_ascii() && weakness_of(&decoded).is_some();
        let is_encoded = from_hex(secret).is_some_and(is_weak);
        (is_encoded || from_base64(secret).is_some_and(is_weak))
            .then_some("is the encoded form of a text that is easy to guess")
    })
}

fn weakness_of(secret: &[u8]) -> Option<&'static str> {
    let secret = secret.trim_ascii();
    if has_few_characters(secret) {
        Some("has at most five different characters")
    } else if is_repetition(secret) {
        Some("repeats a short text")
    } else if is_sequence(secret) {
        Some("counts up or down")
    } else if is_words(secret) || is_made_of_common_words(secret) {
        Some("is made of words")
    } else {
        None
    }
}

fn has_few_characters(secret: &[u8]) -> bool {
    let mut different = secret.to_vec();
    different.sort_unstable();
    different.dedup();
    different.len() <= MAX_FEW_CHARS
}

fn is_repetition(secret: &[u8]) -> bool {
    (1..=MAX_PERIOD.min(secret.len() / 2))
        .any(|period| secret[period..] == secret[..secret.len() - period])
}

/// Returns whether at least five in six characters are neighbours, in ASCII, of the one before.
fn is_sequence(secret: &[u8]) -> bool {
    let steps = secret.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
    6 * steps >= 5 * (secret.len() - 1)
}

/// Returns whether the secret consists of words and numbers between separators. Random base64 does
/// so with a probability of 2⁻⁴⁶.
fn is_words(secret: &[u8]) -> bool {
    let letters = secret.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let mut parts = secret.split(|byte| !byte.is_ascii_alphanumeric());
    2 * letters >= secret.len() && parts.all(is_word_or_number)
}

/// Returns whether a text is a word, with or without a capital or in capitals, and then a number.
fn is_word_or_number(text: &[u8]) -> bool {
    let end = text.iter().position(u8::is_ascii_digit).unwrap_or(text.len());
    let (word, number) = text.split_at(end);
    let is_one_case = word.get(1..).is_none_or(|rest| rest.iter().all(u8::is_ascii_lowercase))
        || word.iter().all(u8::is_ascii_uppercase);
    word.len() <= MAX_WORD && is_one_case && number.iter().all(u8::is_ascii_digit)
}

/// Returns whether common passwords of letters make up at least half of the secret.
fn is_made_of_common_words(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    // The most characters in words, from each position on.
    let mut covered = vec![0; lower.len() + 1];
    for start in (0..lower.len()).rev() {
        let with_word =
            word_lengths(&lower[start..]).map(|length| length + covered[start + length]);
        covered[start] = with_word.fold(covered[start + 1], usize::max);
    }
    2 * covered[0] >= secret.len()
}

/// Returns the lengths of the words at the start of a text.
fn word_lengths(text: &[u8]) -> impl Iterator<Item = usize> {
    let letters = text.iter().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(text.len());
    (MIN_COMMON..=letters.min(MAX_WORD)).filter(|length| {
        let word = str::from_utf8(&text[..*length]).unwrap_or_default();
        PLACEHOLDER_WORDS.contains(&word) || is_common(word)
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let decode = |alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok();
    decode(&alphabet::STANDARD).or_else(|| decode(&alphabet::URL_SAFE))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn base32(bytes: &[u8]) -> String {
        let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| byte >> (7 - index % 8) & 1);
        let digits = (0..8 * bytes.len()).step_by(5).map(|start| {
            let digit = (start..start + 5).fold(0, |digit, index| 2 * digit + bit(index));
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(digit)]
        });
        digits.map(char::from).collect()
    }

    #[test]
    fn typed_secrets_are_easy_to_guess() {
        for secret in [
            &"x".repeat(43),
            &"0".repeat(64),
            &"01".repeat(20),
            &"AAAA".repeat(11),
            &"changeme".repeat(4),
            "0123456789abcdef0123456789abcdef",
            "abcdefghijklmnopqrstuvwxyz012345",
            "98765432109876543210987654321098",
            "another-secret-of-more-than-32-bytes",
            "an_old_secret_that_is_long_enough",
            "This.Is-My_Secret.Key-For-Production1",
            "CHANGE_ME_BEFORE_GOING_TO_PRODUCTION",
            "supersecretpasswordsupersecretkey1",
            "MySuperSecretSigningPassword!2024#x",
            "django-insecure-change-me-in-production",
            "please-replace-this-example-secret!",
            &hex(b"my-secret-of-the-service"),
            &hex(&[b'a'; 32]),
            &hex(&[0; 32]),
            &STANDARD.encode("this-is-the-secret-key-of-all"),
            &STANDARD.encode([0; 32]),
            &URL_SAFE_NO_PAD.encode("passwordpasswordpassword\n"),
        ] {
            assert!(weakness(secret).is_some(), "{secret}");
        }
    }

    #[test]
    fn random_secrets_have_no_weakness() {
        for _ in 0..500 {
            let bytes: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
            let digits: String = (0..64).map(|_| fastrand::digit(10)).collect();
            let letters: String = (0..32).map(|_| fastrand::alphanumeric()).collect();
            for secret in [
                hex(&bytes),
                hex(&bytes).to_uppercase(),
                hex(&bytes[..16]),
                base32(&bytes),
                base32(&bytes).to_lowercase(),
                STANDARD.encode(bytes),
                STANDARD.encode(&bytes[..24]),
                URL_SAFE_NO_PAD.encode(bytes),
                uuid::Uuid::from_slice(&bytes[..16]).unwrap().to_string(),
                digits,
                letters,
            ] {
                assert_eq!(weakness(&secret), None, "{secret}");
            }
        }
    }
}
