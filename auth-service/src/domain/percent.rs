//! Parts of URLs: percent-encoding (RFC 3986 section 2.1), and names of parameters in errors.

use std::fmt::Write;

/// Decodes `%40` to `@`.
///
/// # Errors
/// What is wrong with the text, which is not quoted.
pub fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("has a % without two hexadecimal digits: write % as %25")?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 after its % signs are decoded".into())
}

/// Encodes every character except ASCII letters and digits, so that the text may be any part of a
/// URL.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Returns what an error may show of the name of a parameter: a name that is no word may be part of
/// a password with a `?` or `&` in it.
pub fn shown_name(name: &str) -> &str {
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { name } else { "its name is not a word" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_text_is_decoded_to_itself() {
        let text = "p@ss/w:r?d#%+ é\u{1f511}";
        let encoded = percent_encoded(text);
        assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'%'));
        assert_eq!(percent_decoded(&encoded).as_deref(), Ok(text));
        for wrong in ["%", "%4", "%+1", "%zz", "%ff"] {
            assert!(percent_decoded(wrong).is_err(), "{wrong}");
        }
    }
}
