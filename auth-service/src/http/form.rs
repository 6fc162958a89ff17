//! Request bodies: a JSON object, read field by field, so that one answer names all wrong fields.

use std::{future::Future, mem, ops::Deref, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH},
    web::BytesMut,
};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use shared::problem::FieldErrors;

use crate::http::error::ApiError;

/// Maximum size of a body.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum time that a body may take to arrive.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Maximum number of unknown fields that the answer names, and maximum length of each name in it.
const MAX_UNKNOWN_FIELDS: usize = 20;
const MAX_UNKNOWN_FIELD_CHARS: usize = 50;

/// A request that can be read from a form.
pub trait FromForm: Sized {
    /// Reads the request. Returns `None` if a field is wrong, after adding the error to the form.
    fn from_form(form: &mut Form) -> Option<Self>;
}

/// The members of a JSON object, and the errors in them.
#[derive(Default)]
pub struct Form {
    members: Map<String, Value>,
    errors: FieldErrors,
}

impl Form {
    /// Returns whether the object has a member.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Parses the text of a required member.
    pub fn text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, Vec<String>>,
    ) -> Option<T> {
        let parsed = match self.members.remove(name) {
            None => Err(vec!["This field is required.".into()]),
            Some(Value::Null) => Err(vec!["This field may not be null.".into()]),
            Some(Value::String(text)) => parse(text),
            Some(_) => Err(vec!["Not a valid string.".into()]),
        };
        parsed.map_err(|errors| self.errors.entry(name.into()).or_default().extend(errors)).ok()
    }

    /// Returns a boolean member, `false` if the object does not have it.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.members.remove(name) {
            None => Some(false),
            Some(Value::Bool(flag)) => Some(flag),
            Some(_) => {
                self.add_error(name, "Must be a valid boolean.");
                None
            }
        }
    }

    /// Adds an error in a member.
    pub fn add_error(&mut self, name: &str, message: &str) {
        self.errors.entry(name.into()).or_default().push(message.into());
    }

    /// Returns the answer that names the wrong members, if there are any.
    ///
    /// # Errors
    /// [`ApiError::Fields`].
    pub fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }

    /// Returns the answer that names the wrong members, of which there is at least one.
    pub fn into_error(self) -> ApiError {
        ApiError::Fields(self.errors)
    }

    /// Returns the answer that names one wrong member.
    pub fn single_error(name: &str, message: &str) -> ApiError {
        let mut form = Self::default();
        form.add_error(name, message);
        form.into_error()
    }

    fn read<T: FromForm>(body: &[u8]) -> Result<T, ApiError> {
        let members = serde_json::from_slice(body).map_err(|_| ApiError::NotJson)?;
        let mut form = Self { members, errors: FieldErrors::new() };
        let request = T::from_form(&mut form);
        for unknown in mem::take(&mut form.members).keys().take(MAX_UNKNOWN_FIELDS) {
            let name: String = unknown.chars().take(MAX_UNKNOWN_FIELD_CHARS).collect();
            form.add_error(&name, "This field is not known.");
        }
        form.finish()?;
        // Unreachable: `from_form` adds an error before it returns `None`.
        request.ok_or(ApiError::NotJson)
    }
}

/// Parses a text that must not be empty.
pub fn not_blank(text: String) -> Result<String, Vec<String>> {
    if text.is_empty() { Err(vec!["This field may not be blank.".into()]) } else { Ok(text) }
}

/// A request body whose fields are all valid.
pub struct Valid<T>(pub T);

impl<T> Deref for Valid<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromForm> FromRequest for Valid<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let body = body(&request, payload, "application/json").await?;
            Form::read(&body).map(Valid)
        })
    }
}

/// Reads the body of a request, which must have this media type.
///
/// # Errors
/// [`ApiError::MediaType`], [`ApiError::TooLarge`], [`ApiError::TooSlow`], or [`ApiError::NotJson`]
/// if the body is incomplete.
pub async fn body(
    request: &HttpRequest,
    payload: Payload,
    media_type: &'static str,
) -> Result<BytesMut, ApiError> {
    // The length is checked first, so that a client need not send megabytes to learn the answer.
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_BYTES as u64) {
        return Err(ApiError::TooLarge);
    }
    let encoding = request.headers().get(CONTENT_ENCODING);
    let is_plain = encoding.is_none_or(|encoding| encoding == "identity");
    if !is_plain || !request.content_type().eq_ignore_ascii_case(media_type) {
        return Err(ApiError::MediaType(media_type));
    }
    tokio::time::timeout(TIME_LIMIT, read_body(payload)).await.map_err(|_| ApiError::TooSlow)?
}

async fn read_body(mut payload: Payload) -> Result<BytesMut, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        // An incomplete body is not JSON.
        let chunk = chunk.map_err(|_| ApiError::NotJson)?;
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(ApiError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
