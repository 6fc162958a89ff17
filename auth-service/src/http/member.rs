//! A member of a request body, which may be a password.

use std::mem;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// The value of a member. Its texts are overwritten when it is dropped.
pub struct Member(Value);

impl Member {
    /// Returns the member of a field of a form. A field that occurs several times is an array.
    pub fn from_field(earlier: Option<Self>, mut value: Zeroizing<String>) -> Self {
        let value = Value::String(mem::take(&mut value));
        Self(match earlier.map(Self::take) {
            None => value,
            Some(Value::Array(mut values)) => {
                values.push(value);
                Value::Array(values)
            }
            Some(first) => Value::Array(vec![first, value]),
        })
    }

    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns the text.
    ///
    /// # Errors
    /// The member, if it is no text.
    pub fn into_text(mut self) -> Result<String, Self> {
        match &mut self.0 {
            Value::String(text) => Ok(mem::take(text)),
            _ => Err(self),
        }
    }

    /// Returns the texts of an array, or the text. `None`: the member has other values.
    pub fn into_texts(self) -> Option<Vec<String>> {
        let texts = |member: Self| member.into_text().ok();
        match self.take() {
            Value::Array(values) => values.into_iter().map(|value| texts(Self(value))).collect(),
            value => texts(Self(value)).map(|text| vec![text]),
        }
    }

    fn take(mut self) -> Value {
        self.0.take()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        overwrite(&mut self.0);
    }
}

fn overwrite(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(overwrite),
        Value::Object(members) => members.values_mut().for_each(overwrite),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_a_member_is_overwritten() {
        let mut value = json!(["secret", {"a": ["secret"], "b": "secret"}, 1, null, true]);
        overwrite(&mut value);
        assert_eq!(value, json!(["", {"a": [""], "b": ""}, 1, null, true]));
    }
}
