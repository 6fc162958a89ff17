//! How one-time codes are read, and how their refusal is answered.

use crate::{
    accounts::CodeError,
    domain::one_time_code::OneTimeCode,
    http::{
        error::ApiError,
        form::{Form, not_blank},
    },
};

/// Parses the text of a field that holds a code. `None`: the text is no code, and the answer is that
/// of a wrong code.
///
/// # Errors
/// If the text is empty.
pub fn typed_code(text: String) -> Result<Option<OneTimeCode>, Vec<String>> {
    not_blank(text).map(|text| OneTimeCode::parse(&text))
}

/// Returns the error of each refused code, whatever the reason is.
pub fn wrong_code() -> ApiError {
    Form::single_error("code", "The code is wrong, has been used, or has expired.")
}

impl From<CodeError> for ApiError {
    fn from(why: CodeError) -> Self {
        match why {
            CodeError::WrongCode => wrong_code(),
            CodeError::Throttled(why) => why.into(),
            CodeError::Store(why) => why.into(),
        }
    }
}
