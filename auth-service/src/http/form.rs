//! Request bodies: a JSON object, read field by field, so that one answer names every field that is wrong.

use std::{future::Future, ops::Deref, pin::Pin, time::Duration};

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

/// Larger than any request needs.
const MAX_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A request that can be read from a form.
pub trait FromForm: Sized {
    /// The request, or `None` if a field that it needs is wrong: the form knows which.
    fn from_form(form: &mut Form) -> Option<Self>;
}

/// The members of a JSON object, and what is wrong with them.
#[derive(Default)]
pub struct Form {
    members: Map<String, Value>,
    errors: FieldErrors,
}

impl Form {
    /// Whether this member is there.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The text of a required member, as `parse` reads it.
    pub fn text<T>(&mut self, name: &str, parse: impl FnOnce(String) -> Result<T, Vec<String>>) -> Option<T> {
        let parsed = match self.members.remove(name) {
            None => Err(vec!["This field is required.".into()]),
            Some(Value::Null) => Err(vec!["This field may not be null.".into()]),
            Some(Value::String(text)) => parse(text),
            Some(_) => Err(vec!["Not a valid string.".into()]),
        };
        parsed.map_err(|wrong| self.errors.entry(name.into()).or_default().extend(wrong)).ok()
    }

    /// Whether a member that may be missing is there and true.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.members.remove(name) {
            None => Some(false),
            Some(Value::Bool(flag)) => Some(flag),
            Some(_) => {
                self.wrong(name, "Must be a valid boolean.");
                None
            }
        }
    }

    /// Says that a member is wrong.
    pub fn wrong(&mut self, name: &str, why: &str) {
        self.errors.entry(name.into()).or_default().push(why.into());
    }

    /// The answer that names what is wrong, if anything is.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }

    /// Returns the answer that names the wrong fields, of which there is at least one.
    pub fn into_error(self) -> ApiError {
        ApiError::Fields(self.errors)
    }

    /// Returns the answer that names one wrong field.
    pub fn error_of(name: &str, why: &str) -> ApiError {
        let mut form = Self::default();
        form.wrong(name, why);
        form.into_error()
    }

    fn read<T: FromForm>(body: &[u8]) -> Result<T, ApiError> {
        let members = serde_json::from_slice(body).map_err(|_| ApiError::NotJson)?;
        let mut form = Self { members, errors: FieldErrors::new() };
        let request = T::from_form(&mut form);
        for unknown in std::mem::take(&mut form.members).keys().take(20) {
            // Its name goes into the answer: not more of it than a name needs.
            form.wrong(&unknown.chars().take(50).collect::<String>(), "This field is not known.");
        }
        form.finish()?;
        // Unreachable with a `FromForm` that says what is wrong whenever it gives up.
        request.ok_or(ApiError::NotJson)
    }
}

/// Text that may be anything but empty.
pub fn not_blank(text: String) -> Result<String, Vec<String>> {
    if text.is_empty() { Err(vec!["This field may not be blank.".into()]) } else { Ok(text) }
}

/// A request body whose every field has been checked.
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
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Form::read(&body(&request, payload, "application/json").await?).map(Valid) })
    }
}

/// The request's body, which must be of this media type.
///
/// # Errors
/// [`ApiError::MediaType`], [`ApiError::TooLarge`], [`ApiError::TooSlow`], or [`ApiError::NotJson`] if it breaks off.
pub async fn body(
    request: &HttpRequest,
    payload: Payload,
    media_type: &'static str,
) -> Result<BytesMut, ApiError> {
    // The length first: a client that is about to send megabytes is told before.
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_BYTES as u64) {
        return Err(ApiError::TooLarge);
    }
    let plain = request.headers().get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    if !plain || !request.content_type().eq_ignore_ascii_case(media_type) {
        return Err(ApiError::MediaType(media_type));
    }
    tokio::time::timeout(TIME_LIMIT, read_body(payload)).await.map_err(|_| ApiError::TooSlow)?
}

async fn read_body(mut payload: Payload) -> Result<BytesMut, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        // A body that breaks off is not JSON either.
        let chunk = chunk.map_err(|_| ApiError::NotJson)?;
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(ApiError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
