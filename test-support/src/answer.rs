//! Whole answers of a service, and the tokens in them.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A pair of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// Body in JSON; null if the body is empty.
    pub json: Value,
}

impl Answer {
    /// Returns the value of a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the tokens in the body.
    ///
    /// # Panics
    /// If the body has none.
    pub fn tokens(&self) -> Tokens {
        let tokens = if self.json["tokens"].is_null() { &self.json } else { &self.json["tokens"] };
        let text = |name| tokens[name].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned();
        Tokens { access: text("access"), refresh: text("refresh") }
    }

    /// Asserts that the answer is a complete problem document (RFC 9457) of this status and code.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["type"], "about:blank");
        for member in ["title", "detail"] {
            let text = self.json[member].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        if status == 401 {
            assert_eq!(self.json.get("errors"), None, "{self:?}");
        }
        if status == 503 {
            assert_eq!(self.header("retry-after"), "1");
        }
        self
    }

    /// Asserts that the answer is a 400 that names exactly these fields.
    #[track_caller]
    pub fn assert_fields(&self, fields: &[&str]) -> &Self {
        self.assert_problem(400, "invalid");
        let errors = self.json["errors"].as_object().unwrap();
        let named: Vec<&str> = errors.keys().map(String::as_str).collect();
        assert_eq!(named, fields, "{self:?}");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.json)
    }
}

/// Returns a decoded part of a token: 0 is the header, 1 the claims.
pub fn decode_part(token: &str, part: usize) -> Value {
    let encoded = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

/// Returns the claims of a token.
pub fn claims_of(token: &str) -> Value {
    decode_part(token, 1)
}
