//! The rules, without I/O. A value of a type in this module has been validated: the only way to
//! create it is to parse it, or to read a stored value back.

pub mod audit;
pub mod client;
pub mod compact_jws;
pub mod email;
pub mod key_schedule;
pub mod login_key;
pub mod password;
pub mod refresh_decision;
pub mod scope;
pub mod session;
pub mod user_claims;
pub mod username;

use unicode_normalization::UnicodeNormalization;

/// Returns the text that all spellings of one name share: NFKC, without case.
///
/// Lower-casing alone keeps some spellings apart (`ß` and `SS`, `ς` and `σ`). So the text is
/// upper-cased first.
fn uniqueness_key(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_uppercase().to_lowercase();
    folded.nfkc().collect()
}
