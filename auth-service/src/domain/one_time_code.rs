//! One-time codes: 12 characters that prove that a user got a message, or talked to an operator.

use std::fmt;

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key, sign},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

/// Digits of Crockford's base32, which has no letters that look like digits.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Number of characters of a code: 60 random bits.
const CHARS: usize = 12;
/// Number of characters between two hyphens.
const GROUP: usize = 4;
/// Maximum length of a code as a user types it.
const MAX_TYPED_CHARS: usize = 64;

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// The user sets a new password. The code was mailed or, by an earlier version, printed.
    ResetPassword,
    /// The user sets a new password. The code was printed for an operator, so it proves nothing
    /// about the address.
    PrintedReset,
    /// The user proves to read the mail of the account's address.
    VerifyEmail,
    /// A visitor registers the address that an operator invited.
    Invitation,
    /// The user proves to read the mail of the account's next address.
    ChangeEmail,
    /// The owner of a former address of the account takes the account back.
    UndoEmailChange,
    /// The user deletes the account.
    DeleteAccount,
}

impl CodePurpose {
    /// Returns the name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::PrintedReset => "printed_reset",
            Self::VerifyEmail => "verify_email",
            Self::Invitation => "invitation",
            Self::ChangeEmail => "change_email",
            Self::UndoEmailChange => "undo_email_change",
            Self::DeleteAccount => "delete_account",
        }
    }
}

/// A one-time code. `Debug` prints no content.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// Generates a code of 60 random bits.
    pub fn generate() -> Self {
        let mut bytes = [0; CHARS];
        rand::fill(&mut bytes).expect("a working random source");
        // 256 is a multiple of 32, so every digit is equally likely.
        Self(bytes.iter().map(|byte| char::from(DIGITS[usize::from(byte % 32)])).collect())
    }

    /// Parses a code as a user types it: in any case, with or without hyphens and spaces, and with
    /// the letters that look like digits. Returns `None` for text that is no code.
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().count() > MAX_TYPED_CHARS {
            return None;
        }
        let chars = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
        let code: String = chars.map(|c| digit(c.to_ascii_uppercase())).collect::<Option<_>>()?;
        (code.len() == CHARS).then_some(Self(code))
    }

    /// Returns the code in the form that users see: `XXXX-XXXX-XXXX`.
    pub fn reveal(&self) -> String {
        let groups = [&self.0[..GROUP], &self.0[GROUP..2 * GROUP], &self.0[2 * GROUP..]];
        groups.join("-")
    }

    /// Returns the text that the database has in place of the code: a MAC of the code, its purpose
    /// and its user, so that a row is of no use for another purpose or user.
    pub fn mac(&self, key: &[u8; 32], purpose: CodePurpose, user_id: &Uuid) -> String {
        self.mac_for(key, purpose, &user_id.to_string())
    }

    /// As [`OneTimeCode::mac`], for a code that is bound to another text than the id of a user.
    pub fn mac_for(&self, key: &[u8; 32], purpose: CodePurpose, subject: &str) -> String {
        let text = format!("{} {subject} {}", purpose.name(), self.0);
        URL_SAFE_NO_PAD.encode(sign(&Key::new(HMAC_SHA256, key), text.as_bytes()))
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(redacted)")
    }
}

fn digit(c: char) -> Option<char> {
    match c {
        'O' => Some('0'),
        'I' | 'L' => Some('1'),
        c => DIGITS.contains(&u8::try_from(c).ok()?).then_some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_however_a_user_types_it() {
        let code = OneTimeCode::parse("01AB-CDEF-GHJK").unwrap();
        for typed in [
            "01abcdefghjk",
            " O1AB CDEF-GHJK\n",
            "oIab-cdef-ghjk",
            "0-1-A-B-C-D-E-F-G-H-J-K",
            "olab cdef ghjk",
        ] {
            assert_eq!(OneTimeCode::parse(typed), Some(code.clone()), "{typed}");
        }
        let long = "-".repeat(60) + "01AB-CDEF-GHJK";
        for bad in
            ["", "01AB-CDEF-GHJ", "01AB-CDEF-GHJKM", "U1AB-CDEF-GHJK", "０1AB-CDEF-GHJK", &long]
        {
            assert_eq!(OneTimeCode::parse(bad), None, "{bad}");
        }
        assert_eq!(code.reveal(), "01AB-CDEF-GHJK");
    }

    #[test]
    fn generated_codes_differ_and_are_read_back() {
        let code = OneTimeCode::generate();
        assert_eq!(OneTimeCode::parse(&code.reveal()), Some(code.clone()));
        assert_ne!(OneTimeCode::generate(), code);
        assert_eq!(format!("{code:?}"), "OneTimeCode(redacted)");
    }

    #[test]
    fn mac_is_bound_to_key_code_and_user() {
        let code = OneTimeCode::parse("01AB-CDEF-GHJK").unwrap();
        let other = OneTimeCode::parse("01AB-CDEF-GHJM").unwrap();
        let [ada, grace] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let purpose = CodePurpose::ResetPassword;
        let mac = code.mac(&[1; 32], purpose, &ada);
        assert_eq!(code.mac(&[1; 32], purpose, &ada), mac);
        for different in [
            code.mac(&[2; 32], purpose, &ada),
            code.mac(&[1; 32], purpose, &grace),
            other.mac(&[1; 32], purpose, &ada),
        ] {
            assert_ne!(different, mac);
        }
        assert!(!mac.contains("01AB"));
    }
}
