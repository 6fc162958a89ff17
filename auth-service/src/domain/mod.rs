//! The rules, without I/O. What a type here holds has been checked; there is no other way to make one.

pub mod audit;
pub mod client;
pub mod email;
pub mod generation;
pub mod key_schedule;
pub mod password;
pub mod session;
pub mod username;

use unicode_normalization::UnicodeNormalization;

/// What two spellings of one name have in common: NFKC, without case. Upper-casing first folds what lower-casing
/// alone leaves apart (`ß` and `SS`, `ς` and `σ`).
fn fold(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_uppercase().to_lowercase();
    folded.nfkc().collect()
}
