//! JSON values of a row. An object that has a member twice is refused: programs disagree about which
//! of the two counts.

use std::{collections::BTreeMap, fmt, str};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::error::Category;

/// Maximum number of characters of a member's name in an error.
const MAX_NAME_CHARS: usize = 60;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    /// The number as text. Any but an integer of 64 bits has a point or an exponent, and may have
    /// lost digits.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// The members of a row.
pub type Members = BTreeMap<String, Json>;

/// Parses a row.
///
/// # Errors
/// The reason, which quotes no value.
pub fn parse_object(bytes: &[u8]) -> Result<Members, String> {
    if str::from_utf8(bytes).is_err() {
        return Err("the row is not UTF-8".into());
    }
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err("the row is no JSON object".into()),
        // Only this module makes such errors.
        Err(why) if why.classify() == Category::Data => {
            let text = why.to_string();
            Err(text.split(" at line ").next().unwrap_or_default().to_owned())
        }
        Err(why) => {
            Err(format!("the row is not JSON: error at its byte {}", position(bytes, &why)))
        }
    }
}

/// Returns the position of an error in a row, in bytes.
fn position(bytes: &[u8], why: &serde_json::Error) -> usize {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.take(why.line().saturating_sub(1)).map(<[u8]>::len).sum::<usize>() + why.column()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        // `Display` would write a large number or `1.0` as an integer.
        Ok(Json::Number(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Members::new();
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            if members.contains_key(&name) {
                let name: String = name.chars().take(MAX_NAME_CHARS).collect();
                return Err(A::Error::custom(format!("the row has the member {name:?} twice")));
            }
            members.insert(name, value);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_a_row_quotes_no_value() {
        for (row, expected) in [
            (&b"{\"a\": 1, \"a\": \"secret\"}"[..], "the row has the member \"a\" twice"),
            (b"{\"a\": {\"b\": 1, \"b\": 2}}", "the row has the member \"b\" twice"),
            (b"[1]", "the row is no JSON object"),
            (b"{\"a\": \"secret\xff\"}", "the row is not UTF-8"),
            (b"{\"a\": secret}", "the row is not JSON: error at its byte 7"),
            (b"{\n\"a\": secret}", "the row is not JSON: error at its byte 8"),
            (b"{\"a\": \"sec", "the row is not JSON: error at its byte 10"),
        ] {
            assert_eq!(parse_object(row).unwrap_err(), expected);
        }
        let numbers = b"{\"a\": [18446744073709551615, 18446744073709551616, -1, 1.0]}";
        let numbers = parse_object(numbers).unwrap();
        let expected = ["18446744073709551615", "1.8446744073709552e19", "-1", "1.0"];
        let expected = expected.map(|number| Json::Number(number.into()));
        assert_eq!(numbers["a"], Json::Array(expected.to_vec()));
        let deep = "[".repeat(1000);
        assert!(parse_object(deep.as_bytes()).unwrap_err().starts_with("the row is not JSON"));
        assert_eq!(
            parse_object(b"{\"a\": null, \"b\": [1, true, \"x\\u0000\"]}").unwrap()["b"],
            Json::Array(vec![Json::Number("1".into()), Json::Bool(true), Json::Text("x\0".into())])
        );
    }
}
