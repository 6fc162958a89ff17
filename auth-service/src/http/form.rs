//! Request bodies: the members of a JSON object, or the fields of a form, read one by one, so that
//! one answer names all wrong fields.
//!
//! The rules are those of Django REST framework, whose clients must work unchanged: both media types
//! are accepted, unknown fields are ignored, and an empty body is an object without members.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use serde_json::Value;
use shared::problem::FieldErrors;

use crate::{
    app::App,
    domain::{account_rules::AccountRules, password::Password},
    http::{
        body::{FORM, JSON, decode_fields, read_body},
        error::ApiError,
        member::Member,
    },
};

/// Texts that stand for `true` and for `false` in a form, in lower case, as in Django REST
/// framework.
const TRUE: [&str; 6] = ["true", "t", "yes", "y", "on", "1"];
const FALSE: [&str; 7] = ["false", "f", "no", "n", "off", "0", ""];

/// A request that can be read from a form.
pub trait FromForm: Sized {
    /// Reads the request. Returns `None` if a field is wrong, after adding the error to the form.
    fn from_form(form: &mut Form) -> Option<Self>;
}

/// Message for a field that is missing.
pub const REQUIRED: &str = "This field is required.";

/// Message for a new password that is made of words of the user's names.
pub const PASSWORD_OF_NAMES: &str =
    "This password is too similar to the username, the email or the name of the service.";

/// The fields of a body, and the errors in them.
#[derive(Default)]
pub struct Form {
    rules: Arc<AccountRules>,
    members: HashMap<String, Member>,
    errors: FieldErrors,
    /// Whether the body was form-encoded: each value is a text, and a field that occurs several
    /// times is an array.
    is_encoded: bool,
}

impl Form {
    /// Returns whether the body has a field.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Parses the text of a required field.
    pub fn text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, Vec<String>>,
    ) -> Option<T> {
        let parsed = match self.members.remove(name).map(Member::into_text) {
            None => Err(vec![REQUIRED.into()]),
            Some(Ok(text)) => parse(text),
            Some(Err(other)) => Err(vec![self.not_a_text(&other).into()]),
        };
        parsed.map_err(|errors| self.errors.entry(name.into()).or_default().extend(errors)).ok()
    }

    fn not_a_text(&self, member: &Member) -> &'static str {
        match member.value() {
            Value::Null => "This field may not be null.",
            Value::Array(_) if self.is_encoded => "This field may occur only once.",
            _ => "Not a valid string.",
        }
    }

    /// Parses the text of a required field, without the blanks around it. The text must not be
    /// empty.
    pub fn trimmed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, Vec<String>>,
    ) -> Option<T> {
        self.text(name, |text| not_blank(text.trim().to_owned()).and_then(parse))
    }

    /// Returns the texts of the fields that a page may show again: all but passwords.
    pub fn shown_values(&self) -> BTreeMap<String, String> {
        let shown = self.members.iter().filter(|(name, _)| !name.contains("password"));
        let texts = shown.filter_map(|(name, member)| match member.value() {
            Value::String(text) => Some((name.clone(), text.clone())),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the rules for names and passwords of new users.
    pub fn rules(&self) -> Arc<AccountRules> {
        Arc::clone(&self.rules)
    }

    /// Parses a required member that is a new password.
    pub fn new_password(&mut self, name: &str) -> Option<Password> {
        let rules = self.rules();
        self.text(name, |text| Password::parse_new(text, &rules.passwords))
    }

    /// Returns a boolean field, `false` if the body does not have it.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let member = self.members.remove(name);
        let flag = match member.as_ref().map(Member::value) {
            None => Some(false),
            Some(Value::Bool(flag)) => Some(*flag),
            Some(Value::String(text)) if self.is_encoded => parse_flag(text),
            Some(_) => None,
        };
        if flag.is_none() {
            self.add_error(name, "Must be a valid boolean.");
        }
        flag
    }

    /// Returns a list of texts, empty if the body does not have the field. One text is a list of one.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let Some(member) = self.members.remove(name) else { return Some(Vec::new()) };
        match member.into_texts() {
            Some(texts) if !texts.is_empty() => return Some(texts),
            Some(_) => self.add_error(name, "This list may not be empty."),
            None => self.add_error(name, "Not a valid string or list of strings."),
        }
        None
    }

    /// Parses the text of a member that may be missing. `Some(None)`: it is missing.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, Vec<String>>,
    ) -> Option<Option<T>> {
        if self.has(name) { self.text(name, parse).map(Some) } else { Some(None) }
    }

    /// Adds an error in a field.
    pub fn add_error(&mut self, name: &str, message: &str) {
        self.errors.entry(name.into()).or_default().push(message.into());
    }

    /// Checks that no field is wrong. The error names the wrong fields.
    ///
    /// # Errors
    /// [`ApiError::Fields`].
    pub fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }

    /// Returns the answer that names the wrong fields, of which there is at least one.
    pub fn into_error(self) -> ApiError {
        ApiError::Fields(self.errors)
    }

    /// Returns the answer that names one wrong field.
    pub fn single_error(name: &str, message: &str) -> ApiError {
        let mut form = Self::default();
        form.add_error(name, message);
        form.into_error()
    }

    fn from_json(body: &[u8]) -> Result<Self, ApiError> {
        let members = serde_json::from_slice(body).map_err(|_| ApiError::NotJson)?;
        Ok(Self { members, ..Self::default() })
    }

    fn from_encoded(body: &[u8]) -> Result<Self, ApiError> {
        let mut members: HashMap<String, Member> = HashMap::new();
        for (name, value) in decode_fields(body)? {
            let earlier = members.remove(&name);
            members.insert(name, Member::from_field(earlier, value));
        }
        Ok(Self { members, is_encoded: true, ..Self::default() })
    }

    /// Reads a request, which ends the form.
    ///
    /// # Errors
    /// [`ApiError::Fields`], with all wrong fields.
    pub fn read<T: FromForm>(mut self) -> Result<T, ApiError> {
        let request = T::from_form(&mut self);
        self.finish()?;
        // Unreachable: `from_form` adds an error before it returns `None`.
        request.ok_or(ApiError::NotJson)
    }
}

fn parse_flag(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let is_true = TRUE.contains(&text.as_str());
    (is_true || FALSE.contains(&text.as_str())).then_some(is_true)
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
            let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal)?;
            let rules = Arc::clone(&app.accounts.rules);
            let form = Form { rules, ..read_form(&request, payload).await? };
            form.read().map(Valid)
        })
    }
}

/// Reads a body that must be a form.
///
/// # Errors
/// As [`read_body`], and [`ApiError::NotForm`].
pub async fn read_encoded(
    request: &HttpRequest,
    payload: Payload,
    rules: Arc<AccountRules>,
) -> Result<Form, ApiError> {
    let form = match read_body(request, payload, &[FORM]).await? {
        None => Form::default(),
        Some((_, body)) => Form::from_encoded(&body)?,
    };
    Ok(Form { rules, ..form })
}

/// Reads a body of either media type.
async fn read_form(request: &HttpRequest, payload: Payload) -> Result<Form, ApiError> {
    match read_body(request, payload, &[JSON, FORM]).await? {
        None => Ok(Form::default()),
        Some((FORM, body)) => Form::from_encoded(&body),
        Some((_, body)) => Form::from_json(&body),
    }
}
